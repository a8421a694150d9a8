//! What the person types to find a recording.
//!
//! Refuses to know lists and keys. The invariant: any text is a filter, and
//! one more word never shows more recordings.
//!
//! A filter is words. Each must fit, in any order, and letter case makes no
//! difference. `user:`, `host:`, `target:`, `program:`, `date:`, `state:` and
//! `id:` look in one field, any other word looks in all of them; `!` before a
//! word wants what it does not fit. A word fits when the field has it
//! anywhere; only a date must begin with it.

use jiff::civil::Date;

/// What is looked at of one recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Whose session it was: the name of the account, and of the person who
    /// logged in or became it, if that is another.
    pub user: String,
    /// Where it was recorded, and the host that the target is on.
    pub host: String,
    /// What the program was pointed at.
    pub target: String,
    /// The program.
    pub program: String,
    /// The start by the viewer's clock: `2026-11-21 14:15:03`.
    pub date: String,
    /// `live`, `finished`, `interrupted`, …
    pub state: String,
    /// The id.
    pub id: String,
}

impl Fields {
    /// The same, as filters look at them.
    #[must_use]
    pub fn folded(&self) -> Self {
        let fold = |text: &str| text.to_lowercase();
        Self {
            user: fold(&self.user),
            host: fold(&self.host),
            target: fold(&self.target),
            program: fold(&self.program),
            date: fold(&self.date),
            state: fold(&self.state),
            id: fold(&self.id),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Any,
    User,
    Host,
    Target,
    Program,
    Date,
    State,
    Id,
}

/// Field names, as they are typed.
const NAMES: [(&str, Field); 7] = [
    ("user", Field::User),
    ("host", Field::Host),
    ("target", Field::Target),
    ("program", Field::Program),
    ("date", Field::Date),
    ("state", Field::State),
    ("id", Field::Id),
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    field: Field,
    text: String,
    not: bool,
}

/// A filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    words: Vec<Word>,
}

impl Filter {
    /// What this text means. `today` is the date by the viewer's clock, for
    /// `date:today` and `date:yesterday`.
    #[must_use]
    pub fn parse(text: &str, today: Date) -> Self {
        let words = text.split_whitespace().filter_map(|word| {
            let (not, word) = match word.strip_prefix('!') {
                Some(rest) => (true, rest),
                None => (false, word),
            };
            let word = word.to_lowercase();
            // A colon after anything else is part of the word: `db1:5432`.
            let known = word.split_once(':').and_then(|(name, value)| {
                let (_, field) = NAMES.iter().find(|(known, _)| *known == name)?;
                Some((*field, value.to_owned()))
            });
            let (field, text) = known.unwrap_or((Field::Any, word));
            let text = match (field, text.as_str()) {
                (Field::Date, "today") => today.to_string(),
                (Field::Date, "yesterday") => {
                    today.yesterday().map(|date| date.to_string()).unwrap_or_default()
                }
                _ => text,
            };
            // `user:` is about to be typed on.
            (!text.is_empty()).then_some(Word { field, text, not })
        });
        Self { words: words.collect() }
    }

    /// Whether it leaves nothing out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether a recording with these fields, [folded](Fields::folded), fits.
    #[must_use]
    pub fn fits(&self, fields: &Fields) -> bool {
        self.words.iter().all(|word| word.fits(fields) != word.not)
    }
}

impl Word {
    fn fits(&self, fields: &Fields) -> bool {
        let text = self.text.as_str();
        match self.field {
            Field::User => fields.user.contains(text),
            Field::Host => fields.host.contains(text),
            Field::Target => fields.target.contains(text),
            Field::Program => fields.program.contains(text),
            Field::Date => fields.date.starts_with(text),
            Field::State => fields.state.contains(text),
            Field::Id => fields.id.contains(text),
            Field::Any => [
                &fields.user,
                &fields.host,
                &fields.target,
                &fields.program,
                &fields.date,
                &fields.state,
                &fields.id,
            ]
            .iter()
            .any(|field| field.contains(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields() -> Fields {
        Fields {
            user: "Alice carol".to_owned(),
            host: "bastion1 10.0.0.7".to_owned(),
            target: "prod-DB1".to_owned(),
            program: "psql".to_owned(),
            date: "2026-11-21 14:15:03".to_owned(),
            state: "finished".to_owned(),
            id: "20261121T141503.123Z-alice-prod-db1-AAAAAAAA".to_owned(),
        }
        .folded()
    }

    fn fits(text: &str) -> bool {
        Filter::parse(text, jiff::civil::date(2026, 11, 22)).fits(&fields())
    }

    #[test]
    fn words_and_fields() {
        for text in [
            "",
            "  ",
            "alice",
            "ALICE prod psql",
            "user:alice target:db1 date:2026-11",
            "user:carol",
            "host:bastion",
            "host:10.0.0.7",
            "date:2026",
            "date:2026-11-21",
            "date:yesterday",
            "state:fin",
            "!state:live !bob",
            "AAAAAAAA",
            "14:15",
            "id:prod-db1-aaaa",
            "user:",
            "!",
            "!user:",
        ] {
            assert!(fits(text), "{text}");
        }
        for text in [
            "bob",
            "alice bob",
            "user:prod",
            "target:alice",
            "date:11-21",
            "date:today",
            "!alice",
            "!state:finished",
            "db1:5432",
            "unknown:alice",
        ] {
            assert!(!fits(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn one_more_word_never_shows_more(text in "[a-z0-9:! é-]{0,20}", more in "[a-zA-Z0-9:!é.-]{0,9}") {
            let longer = format!("{text} {more}");
            prop_assert!(fits(&text) || !fits(&longer), "{}", longer);
        }
    }
}
