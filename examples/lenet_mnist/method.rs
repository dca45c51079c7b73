//! The methods by name, and which of them share work.

use std::fmt;
use std::str::FromStr;

use secateur_examples::ExampleError;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    Dense,
    HanOneshot,
    HanIterative,
    HanRandom,
    Agp,
    Snip,
    SnipShuffled,
    RandomUniform,
    RandomErk,
    Rigl,
    Set,
    Static,
    Ticket,
    TicketFresh,
}

/// Methods that start from the same training or the same masks, and so run in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Dense,
    Han,
    Agp,
    Snip,
    Random,
    Dynamic,
    Ticket,
}

impl Method {
    pub(crate) const ALL: [Self; 14] = [
        Self::Dense,
        Self::HanOneshot,
        Self::HanIterative,
        Self::HanRandom,
        Self::Agp,
        Self::Snip,
        Self::SnipShuffled,
        Self::RandomUniform,
        Self::RandomErk,
        Self::Rigl,
        Self::Set,
        Self::Static,
        Self::Ticket,
        Self::TicketFresh,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::HanOneshot => "han-oneshot",
            Self::HanIterative => "han-iterative",
            Self::HanRandom => "han-random",
            Self::Agp => "agp",
            Self::Snip => "snip",
            Self::SnipShuffled => "snip-shuffled",
            Self::RandomUniform => "random-uniform",
            Self::RandomErk => "random-erk",
            Self::Rigl => "rigl",
            Self::Set => "set",
            Self::Static => "static",
            Self::Ticket => "ticket",
            Self::TicketFresh => "ticket-fresh",
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Dense => Family::Dense,
            Self::HanOneshot | Self::HanIterative | Self::HanRandom => Family::Han,
            Self::Agp => Family::Agp,
            Self::Snip | Self::SnipShuffled => Family::Snip,
            Self::RandomUniform | Self::RandomErk => Family::Random,
            Self::Rigl | Self::Set | Self::Static => Family::Dynamic,
            Self::Ticket | Self::TicketFresh => Family::Ticket,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Method {
    type Err = ExampleError;

    fn from_str(name: &str) -> Result<Self, ExampleError> {
        let found = Self::ALL.into_iter().find(|method| method.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(" ");
            ExampleError::Usage(format!("there is no method `{name}`, only {known}"))
        })
    }
}
