//! What a check found, in words that stay the same.
//!
//! Knows nothing of how anything is checked. Its invariant: a class has one
//! name and one weight, so that scripts can rely on both.

use serde::Serialize;

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Class {
    /// It is being recorded, or was never signed.
    NotYetSealed,
    /// It was started, and nothing says how it ended.
    OrphanStart,
    /// Somebody logged in, and nothing was recorded.
    UnrecordedLogin,
    /// It could not be checked: a file cannot be read.
    NotChecked,
    /// A file that must be there is not.
    Missing,
    /// A file is shorter than it was.
    Truncated,
    /// A file is not what it was.
    Altered,
    /// A signature is not of what it is said to sign.
    WrongSignature,
    /// A signature is good, and nobody vouches for its key.
    UnknownSigner,
    /// The ledger does not know of it, or knows otherwise.
    NotInLedger,
    /// The ledger lacks what it once had.
    LedgerRolledBack,
    /// The ledger has something else where it had something already.
    LedgerForked,
}

/// What a class means for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Something is still to come, or never came.
    Incomplete,
    /// Something is wrong.
    Bad,
    /// Nothing can be said.
    Unknown,
}

impl Class {
    /// Its name: words joined by dashes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotYetSealed => "not-yet-sealed",
            Self::OrphanStart => "orphan-start",
            Self::UnrecordedLogin => "unrecorded-login",
            Self::NotChecked => "not-checked",
            Self::Missing => "missing",
            Self::Truncated => "truncated",
            Self::Altered => "altered",
            Self::WrongSignature => "wrong-signature",
            Self::UnknownSigner => "unknown-signer",
            Self::NotInLedger => "not-in-ledger",
            Self::LedgerRolledBack => "ledger-rolled-back",
            Self::LedgerForked => "ledger-forked",
        }
    }

    /// What it means for the whole.
    #[must_use]
    pub fn weight(self) -> Weight {
        match self {
            Self::NotYetSealed | Self::OrphanStart | Self::UnrecordedLogin => Weight::Incomplete,
            Self::NotChecked => Weight::Unknown,
            _ => Weight::Bad,
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its class.
    pub class: Class,
    /// The recording's id; none for what concerns a whole ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The fact, then the remedy where there is one. It may quote a manifest
    /// or a name: whoever shows it escapes it.
    pub what: String,
}

impl Finding {
    /// A finding about the recording `id`.
    #[must_use]
    pub fn of(id: &str, class: Class, what: impl Into<String>) -> Self {
        Self { class, id: Some(id.to_owned()), what: what.into() }
    }

    /// A finding about the ledger as a whole.
    #[must_use]
    pub fn of_ledger(class: Class, what: impl Into<String>) -> Self {
        Self { class, id: None, what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_json_and_in_print() {
        for class in [
            Class::NotYetSealed,
            Class::OrphanStart,
            Class::UnrecordedLogin,
            Class::NotChecked,
            Class::Missing,
            Class::Truncated,
            Class::Altered,
            Class::WrongSignature,
            Class::UnknownSigner,
            Class::NotInLedger,
            Class::LedgerRolledBack,
            Class::LedgerForked,
        ] {
            assert_eq!(serde_json::json!(class), class.name());
        }
        let finding = Finding::of("x", Class::Missing, "gone");
        assert_eq!(
            serde_json::json!(finding).to_string(),
            r#"{"class":"missing","id":"x","what":"gone"}"#
        );
    }
}
