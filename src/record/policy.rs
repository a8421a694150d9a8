//! What happens when there can be no record: the rescue rule.
//!
//! A full disk must not lock everybody out of the host on which it could be
//! emptied. So policy names people who get in all the same, and who are loudly
//! on record, in the host's log, as not recorded. Nobody else gets in.

/// Who may work unrecorded when the store cannot be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rescue {
    /// User names.
    pub users: Vec<String>,
    /// Group names.
    pub groups: Vec<String>,
}

impl Rescue {
    /// Whether this person, in these groups, is named.
    #[must_use]
    pub fn names(&self, user: &str, groups: &[String]) -> bool {
        self.users.iter().any(|u| u == user)
            || self.groups.iter().any(|g| groups.iter().any(|own| own == g))
    }
}

/// What to do with a session whose store cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutStore {
    /// Run the program unrecorded, and say so.
    Unrecorded,
    /// Run the program unrecorded because policy names this person, and say
    /// so in the host's log too.
    Rescue,
    /// Do not run it.
    Refuse,
}

/// The decision.
#[must_use]
pub fn without_store(strict: bool, rescued: bool) -> WithoutStore {
    match (strict, rescued) {
        (false, _) => WithoutStore::Unrecorded,
        (true, true) => WithoutStore::Rescue,
        (true, false) => WithoutStore::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_get_in_without_a_record() {
        let rescue = Rescue { users: vec!["ops".into()], groups: vec!["wheel".into()] };
        assert!(rescue.names("ops", &[]));
        assert!(rescue.names("eve", &["users".into(), "wheel".into()]));
        assert!(!rescue.names("eve", &["users".into()]));
        assert!(!Rescue::default().names("root", &["root".into()]));
        assert_eq!(without_store(true, false), WithoutStore::Refuse);
        assert_eq!(without_store(true, true), WithoutStore::Rescue);
        assert_eq!(without_store(false, false), WithoutStore::Unrecorded);
    }
}
