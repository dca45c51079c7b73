//! The vectors that make up the copies of a tile, found once and used for every channel.

use crate::scratch::LINE;

use super::plane::Plane;

/// One vector of a copy: the same for every channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Where it goes within its channel's copies.
    pub(crate) to: u32,
    /// Where its first lane would be read within the channel's image; before its beginning
    /// perhaps, for lanes that are not read.
    pub(crate) from: isize,
    /// Lanes that see a pixel; the others are 0.
    pub(crate) lanes: [u8; 2],
    /// The same lanes as a mask, by its place among the plane's masks.
    pub(crate) mask: u16,
}

impl Plane {
    pub(super) fn clear_segments(&mut self) {
        self.segments.clear();
        self.masks.clear();
        self.segment_starts.clear();
        self.segment_starts.push(0);
    }

    /// Appends the vectors of the copies for the tile from flat pixel `first` on, of the strip
    /// that begins with output column `strip`.
    pub(super) fn add_segments(&mut self, first: usize, strip: usize) {
        let [height, width] = self.input;
        let step = self.stride[1];
        for copy in &self.copies {
            let from = first + copy.shift;
            let (mut row, mut column) = (from / self.pitch, from % self.pitch);
            let mut at = 0;
            while at < copy.len {
                let end = (self.pitch - column).min(copy.len - at) + at;
                let line = (self.stride[0].saturating_mul(row).saturating_add(copy.row))
                    .checked_sub(self.padding[0])
                    .filter(|&line| line < height);
                while at < end {
                    // Lanes beyond the row are written too; the next row follows and puts them
                    // right.
                    let lanes = self.lanes.min(end - at);
                    let left = step
                        .saturating_mul(strip + column)
                        .saturating_add(copy.column);
                    let begin = self.padding[1].saturating_sub(left).div_ceil(step);
                    let stop = (width + self.padding[1])
                        .saturating_sub(left)
                        .div_ceil(step)
                        .min(self.columns.saturating_sub(column))
                        .min(lanes);
                    let (from, seen) = match line {
                        Some(line) if begin < stop => (
                            (line * width + left).wrapping_sub(self.padding[1]) as isize,
                            [begin as u8, stop as u8],
                        ),
                        _ => (0, [0, 0]),
                    };
                    let mask = mask_of(&mut self.masks, seen);
                    self.segments.push(Segment {
                        to: (copy.base + at) as u32,
                        from,
                        lanes: seen,
                        mask,
                    });
                    at += lanes;
                    column += lanes;
                }
                column = 0;
                row += 1;
            }
        }
        self.segment_starts.push(self.segments.len());
    }

    /// The vectors to copy for a tile.
    pub(crate) fn segments(&self, tile: usize) -> &[Segment] {
        &self.segments[self.segment_starts[tile]..self.segment_starts[tile + 1]]
    }
}

/// The place of the mask of some lanes among those known, which it joins.
fn mask_of(masks: &mut Vec<[u32; LINE]>, [begin, end]: [u8; 2]) -> u16 {
    let mut mask = [0; LINE];
    mask[usize::from(begin)..usize::from(end)].fill(u32::MAX);
    let known = masks.iter().position(|known| *known == mask);
    known.unwrap_or_else(|| {
        masks.push(mask);
        masks.len() - 1
    }) as u16
}
