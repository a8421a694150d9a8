//! Command lines read as the program itself will read them: the conventions
//! of getopt(3), getopt_long(3), Go's pflag, and programs with one-dash words.
//!
//! Knows nothing of any one program: a [`Grammar`] says which options take a
//! value. Its invariant: an option's value is never taken for an operand where
//! the grammar lists the option.

/// What a program's options are.
#[derive(Clone, Copy, Debug)]
pub(in crate::identity) struct Grammar {
    /// Short options as getopt(3) writes them: `ab:c::`, with one colon for a
    /// value, two for a value only when attached.
    pub short: &'static str,
    /// Long options in words: `host=` takes a value, `password?` one only
    /// when attached, `verbose` none.
    pub long: &'static str,
    /// Where options end.
    pub order: Order,
}

/// Where options end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::identity) enum Order {
    /// At the first operand, as in POSIX: what follows is another command.
    Posix,
    /// At `--` only; operands and options may be mixed (GNU, pflag).
    Mixed,
    /// At the first operand; an option is one word, however many dashes
    /// (`redis-cli`).
    Words,
    /// As [`Order::Words`], with operands anywhere (`sqlite3`).
    MixedWords,
}

impl Order {
    fn words(self) -> bool {
        matches!(self, Self::Words | Self::MixedWords)
    }

    fn mixed(self) -> bool {
        matches!(self, Self::Mixed | Self::MixedWords)
    }
}

/// One thing on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::identity) enum Item<'a> {
    /// An option by its full name without dashes, and its value.
    Option(&'a str, Option<&'a str>),
    /// An operand.
    Operand(&'a str),
    /// `--`: all that follows is operands.
    End,
}

/// Iterates over a command line's [`Item`]s.
#[derive(Clone, Debug)]
pub(in crate::identity) struct Items<'a> {
    grammar: &'a Grammar,
    rest: &'a [String],
    /// The unread rest of a cluster of short options (`-it`).
    cluster: &'a str,
    ended: bool,
}

enum Takes {
    Nothing,
    Attached,
    Value,
}

impl Grammar {
    /// Reads `words`, which do not include the program's name.
    pub fn items<'a>(&'a self, words: &'a [String]) -> Items<'a> {
        Items { grammar: self, rest: words, cluster: "", ended: false }
    }

    fn short(&self, option: char) -> Takes {
        // Not the colon itself: `-:` is no option.
        let Some((_, after)) = self.short.split_once(option).filter(|_| option != ':') else {
            return Takes::Nothing;
        };
        match after.as_bytes() {
            [b':', b':', ..] => Takes::Attached,
            [b':', ..] => Takes::Value,
            _ => Takes::Nothing,
        }
    }

    /// The listed long option that `typed` is, or is an unambiguous
    /// abbreviation of.
    fn long<'a>(&'a self, typed: &'a str) -> (&'a str, Takes) {
        let listed = || {
            self.long.split_whitespace().map(|entry| match entry.as_bytes().last() {
                Some(b'=') => (entry.trim_end_matches('='), Takes::Value),
                Some(b'?') => (entry.trim_end_matches('?'), Takes::Attached),
                _ => (entry, Takes::Nothing),
            })
        };
        if let Some(exact) = listed().find(|(name, _)| *name == typed) {
            return exact;
        }
        let mut begins = listed().filter(|(name, _)| !typed.is_empty() && name.starts_with(typed));
        match (begins.next(), begins.next()) {
            (Some(only), None) if !self.order.words() => only,
            _ => (typed, Takes::Nothing),
        }
    }
}

impl<'a> Items<'a> {
    /// The words that are not read yet.
    pub fn rest(&self) -> &'a [String] {
        self.rest
    }

    /// Takes the next word as the value of the option that was just read, for
    /// programs whose grammar cannot list every option.
    pub fn take_word(&mut self) -> Option<&'a str> {
        self.word()
    }

    fn word(&mut self) -> Option<&'a str> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn short(&mut self) -> Option<Item<'a>> {
        let option = self.cluster.chars().next()?;
        let (name, attached) = self.cluster.split_at(option.len_utf8());
        self.cluster = attached;
        let takes = self.grammar.short(option);
        if matches!(takes, Takes::Nothing) {
            // pflag's `-i=false`.
            if attached.starts_with('=') {
                self.cluster = "";
            }
            return Some(Item::Option(name, None));
        }
        self.cluster = "";
        let value = if attached.is_empty() {
            if matches!(takes, Takes::Value) { self.word() } else { None }
        } else {
            Some(attached)
        };
        Some(Item::Option(name, value))
    }

    fn long(&mut self, typed: &'a str) -> Item<'a> {
        let (typed, attached) = match typed.split_once('=') {
            Some((name, value)) if !self.grammar.order.words() => (name, Some(value)),
            _ => (typed, None),
        };
        let grammar: &'a Grammar = self.grammar;
        let (name, takes) = grammar.long(typed);
        let value = attached.or_else(|| match takes {
            Takes::Value => self.word(),
            Takes::Nothing | Takes::Attached => None,
        });
        Item::Option(name, value)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if !self.cluster.is_empty() {
            return self.short();
        }
        let order = self.grammar.order;
        if self.ended && !order.mixed() {
            return None;
        }
        let word = self.word()?;
        if self.ended {
            return Some(Item::Operand(word));
        }
        if word == "--" {
            self.ended = true;
            return Some(Item::End);
        }
        match word.strip_prefix('-') {
            // A lone hyphen is an operand: standard input, or su's login.
            None | Some("") => {
                self.ended = !order.mixed();
                Some(Item::Operand(word))
            }
            Some(word) if order.words() => Some(self.long(word.strip_prefix('-').unwrap_or(word))),
            Some(short) => match short.strip_prefix('-') {
                Some(long) => Some(self.long(long)),
                None => {
                    self.cluster = short;
                    self.short()
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(grammar: &Grammar, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let mut items = grammar.items(&words);
        let mut out = Vec::new();
        for item in items.by_ref() {
            out.push(match item {
                Item::Option(name, Some(value)) => format!("{name}={value}"),
                Item::Option(name, None) => name.to_owned(),
                Item::Operand(word) => format!("[{word}]"),
                Item::End => "--".to_owned(),
            });
        }
        out.extend(items.rest().iter().map(|w| format!("({w})")));
        out.join(" ")
    }

    const GNU: Grammar =
        Grammar { short: "ab:p::", long: "host= hostname= pass? verbose", order: Order::Mixed };
    const POSIX: Grammar = Grammar { order: Order::Posix, ..GNU };
    const WORDS: Grammar = Grammar { short: "", long: "cmd= a bail", order: Order::Words };

    #[test]
    fn as_getopt_does() {
        assert_eq!(read(&GNU, "-ab x -bx -p -px y"), "a b=x b=x p p=x [y]");
        assert_eq!(read(&GNU, "-ab"), "a b");
        assert_eq!(
            read(&GNU, "--host h --host=h --pass z --pass=z --verb"),
            "host=h host=h pass [z] pass=z verbose"
        );
        // An abbreviation must be unambiguous; an exact name is.
        assert_eq!(read(&GNU, "--hos x"), "hos [x]");
        assert_eq!(read(&GNU, "--hostn x"), "hostname=x");
        assert_eq!(read(&GNU, "x -- -a y"), "[x] -- [-a] [y]");
        assert_eq!(read(&GNU, "- -z -é"), "[-] z é");
        assert_eq!(read(&GNU, "-: x"), ": [x]");
        assert_eq!(read(&POSIX, "-a x -a y"), "a [x] (-a) (y)");
        assert_eq!(read(&POSIX, "-a -- x"), "a -- (x)");
    }

    #[test]
    fn as_pflag_does() {
        assert_eq!(read(&GNU, "-a=false x"), "a [x]");
    }

    #[test]
    fn one_dash_words() {
        assert_eq!(read(&WORDS, "-cmd x --bail -a f y"), "cmd=x bail a [f] (y)");
        let mixed = Grammar { order: Order::MixedWords, ..WORDS };
        assert_eq!(read(&mixed, "f -cmd x g"), "[f] cmd=x [g]");
    }
}
