//! Files read through a map of the memory.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// The bytes of a file, read as they are looked at.
///
/// While it is open the file must not be changed in place: a program that replaces files, as
/// [`std::fs::rename`] does, does no harm; one that writes into them does.
#[derive(Debug)]
pub struct MappedFile {
    /// `None` for an empty file, of which there is no map.
    map: Option<Mmap>,
}

impl MappedFile {
    /// Maps a file.
    ///
    /// # Errors
    ///
    /// Where the system cannot open or map it.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Ok(Self { map: None });
        }
        // SAFETY: the map is read only, and what is read is checked as any foreign input is, so
        // that bytes that change show as damage; that nobody cuts the file short meanwhile is what
        // the type's documentation asks for.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self { map: Some(map) })
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or(&[])
    }
}
