//! What was seen, as the docs show it.

use std::fmt;

use secateur_examples::speed::Speed;

use crate::score::Score;

/// How a net came to its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Dense,
    /// With a penalty on its norms' scales.
    Penalised,
    Scored(Score),
    ScratchE,
    ScratchB,
}

impl Way {
    const ALL: [Self; 9] = [
        Self::Dense,
        Self::Penalised,
        Self::Scored(Score::Norm),
        Self::Scored(Score::Distance),
        Self::Scored(Score::Taylor),
        Self::Scored(Score::Scale),
        Self::Scored(Score::Chance),
        Self::ScratchE,
        Self::ScratchB,
    ];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense => f.pad("dense"),
            Self::Penalised => f.pad("dense, scales penalised"),
            Self::Scored(score) => score.fmt(f),
            Self::ScratchE => f.pad("L1's shape from scratch, as many epochs"),
            Self::ScratchB => f.pad("L1's shape from scratch, as many products"),
        }
    }
}

/// A net of one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub way: Way,
    pub parameters: u64,
    /// Multiply-adds of one image.
    pub products: u64,
    /// Percent right, before and after the last training.
    pub before: f64,
    pub after: f64,
    pub speed: Speed,
}

/// All rows of all seeds.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(title: String) -> Self {
        Self {
            title,
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, seed: u64, row: Row) {
        eprintln!("seed {seed}: {}, {:.1} % right", row.way, row.after);
        self.rows.push(row);
    }

    fn of(&self, way: Way) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.way == way).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "### {}\n\n| net | parameters | multiply-adds | right after the cut, % | after \
             training, % | Flex, us | engine, us |\n| --- | --- | --- | --- | --- | --- | --- |",
            self.title
        )?;
        for way in Way::ALL {
            let rows = self.of(way);
            if rows.is_empty() {
                continue;
            }
            let mean = |of: &dyn Fn(&Row) -> f64| {
                rows.iter().map(|row| of(row)).sum::<f64>() / rows.len() as f64
            };
            let after = mean(&|row| row.after);
            write!(
                f,
                "| {way} | {:.0} | {:.0} | {:.1} | {after:.1}",
                mean(&|row| row.parameters as f64),
                mean(&|row| row.products as f64),
                mean(&|row| row.before),
            )?;
            if rows.len() > 1 {
                let squares = mean(&|row| (row.after - after).powi(2)) * rows.len() as f64;
                write!(f, " ± {:.1}", (squares / (rows.len() - 1) as f64).sqrt())?;
            }
            let (burn, engine) = (mean(&|row| row.speed.burn), mean(&|row| row.speed.engine));
            writeln!(f, " | {burn:.0} | {engine:.0} |")?;
        }
        let seeds = self.of(Way::Dense).len();
        let seeds = match seeds {
            1 => "One seed".into(),
            _ => format!("Means of {seeds} seeds"),
        };
        write!(f, "\n{seeds}; times of 16 images a call.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_means_with_their_spread() {
        let mut table = Table::new("net".into());
        for (seed, after) in [(1, 80.0), (2, 82.0), (3, 84.0)] {
            let row = Row {
                way: Way::Dense,
                parameters: 10,
                products: 20,
                before: 50.0,
                after,
                speed: Speed {
                    burn: 4.0,
                    engine: 2.0,
                },
            };
            table.add(seed, row);
        }
        let text = table.to_string();
        assert!(
            text.contains("| dense | 10 | 20 | 50.0 | 82.0 ± 2.0 | 4 | 2 |"),
            "{text}"
        );
        assert!(text.ends_with("Means of 3 seeds; times of 16 images a call."));
        assert!(!text.contains("scratch"));
    }
}
