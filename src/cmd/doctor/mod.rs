//! `hrec doctor`: what is well, what is not, and what to do about it.

mod bastion;
mod checks;
mod sshd;
mod trial;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cli;
use crate::config::{self, Config};
use crate::screen::safe_text;

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it should be.
    Fine,
    /// Worth knowing, and nothing to do.
    Note,
    /// Something to do.
    Finding,
}

/// What was looked at, and what came of it.
#[derive(Debug)]
struct Check {
    /// One word: keys, store, disk...
    what: &'static str,
    state: State,
    /// Fact, then remedy.
    text: String,
}

impl Check {
    fn fine(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, state: State::Fine, text: text.into() }
    }

    fn note(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, state: State::Note, text: text.into() }
    }

    fn finding(what: &'static str, text: impl Into<String>) -> Self {
        Self { what, state: State::Finding, text: text.into() }
    }
}

/// Looks at everything and prints what was found; status 1 when something is
/// to be done. A configuration that cannot be used is itself the finding: the
/// rest depends on it.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &cli::Doctor, config: Result<Config, config::Error>) -> Result<ExitCode> {
    let mut checks = vec![checks::versions()];
    let settings = match &config {
        Err(error) => {
            checks.push(Check::finding("config", error.to_string()));
            None
        }
        Ok(config) => {
            if args.bastion {
                checks.extend(bastion::all(config));
            } else {
                checks.extend(checks::all(config));
                checks.push(trial::run(config));
            }
            Some(config)
        }
    };
    let text = if args.json { as_json(&checks, settings)? } else { as_text(&checks, settings) };
    let mut out = super::out::out();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    let findings = checks.iter().any(|c| c.state == State::Finding);
    Ok(ExitCode::from(u8::from(findings)))
}

fn as_text(checks: &[Check], config: Option<&Config>) -> String {
    let mut out = String::new();
    for check in checks {
        let mark = match check.state {
            State::Fine => "ok",
            State::Note => "-",
            State::Finding => "!!",
        };
        out += &format!("{mark:2}  {:8}  {}\n", check.what, safe_text(&check.text));
    }
    if let Some(config) = config {
        let list = config.list();
        let width = |f: fn(&(&str, String)) -> usize| {
            list.iter()
                .map(|(name, value, ..)| f(&(name, value.clone())))
                .max()
                .unwrap_or(0)
                .min(40)
        };
        let (names, values) = (width(|(n, _)| n.len()), width(|(_, v)| v.chars().count()));
        out += "\nsettings\n";
        for (name, value, source, locked) in &list {
            let locked = if *locked { ", locked" } else { "" };
            let source = safe_text(&source.to_string()).into_owned();
            out += &format!("    {name:names$}  {value:values$}  {source}{locked}\n");
        }
    }
    let findings = checks.iter().filter(|c| c.state == State::Finding).count();
    out + &match findings {
        0 => "\nall is well\n".to_owned(),
        1 => "\n1 finding, marked !!\n".to_owned(),
        n => format!("\n{n} findings, marked !!\n"),
    }
}

fn as_json(checks: &[Check], config: Option<&Config>) -> Result<String> {
    let of = |state: Option<State>| -> Vec<Value> {
        let wanted = checks.iter().filter(|c| state.is_none_or(|s| s == c.state));
        wanted
            .map(|c| {
                let state = match c.state {
                    State::Fine => "ok",
                    State::Note => "note",
                    State::Finding => "finding",
                };
                json!({"check": c.what, "state": state, "text": c.text})
            })
            .collect()
    };
    let mut settings = Vec::new();
    let mut overruled = Vec::new();
    if let Some(config) = config {
        for (key, value, source, locked) in config.list() {
            // Settings are shown as TOML that is JSON too, all but tables.
            let value: Value = serde_json::from_str(&value).unwrap_or(Value::String(value));
            settings.push(json!({
                "key": key, "value": value, "source": source.kind(), "from": source.to_string(), "locked": locked,
            }));
        }
        for one in config.overruled() {
            overruled.push(json!({"key": one.key, "by": one.by.to_string()}));
        }
    }
    let report = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "findings": of(Some(State::Finding)),
        "checks": of(None),
        "settings": settings,
        "overruled": overruled,
    });
    Ok(serde_json::to_string_pretty(&report)? + "\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Dirs;

    #[test]
    fn what_is_printed_cannot_act_on_a_terminal() {
        let checks = [Check::finding("keys", "/home/\u{1b}]0;x\u{7}: \u{202e}")];
        let text = as_text(&checks, None);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{text:?}");
        assert!(text.contains("1 finding"));
    }

    #[test]
    fn every_setting_is_listed_with_its_source() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(
            &path,
            "locked = [\"record.mode\"]\nrecord.mode = \"strict\"\nplay.idle = \"1s\"\n",
        )
        .unwrap();
        let dirs =
            Dirs { home: None, config: "/nonexistent/c".into(), data: "/nonexistent/d".into() };
        let config = Config::load_from(Path::new(&path), dirs, &[]).unwrap();
        let text = as_text(&[], Some(&config));
        assert!(
            text.contains("config.toml:2, locked\n") && text.contains("config.toml:3\n"),
            "{text}"
        );
        assert!(text.contains("all is well"));
        let json: Value = serde_json::from_str(&as_json(&[], Some(&config)).unwrap()).unwrap();
        assert_eq!(json["settings"].as_array().unwrap().len(), config::KEYS.len());
        let mode = &json["settings"][0];
        assert_eq!(
            (&mode["value"], &mode["source"], &mode["locked"]),
            (&json!("strict"), &json!("system"), &json!(true))
        );
        assert_eq!(json["findings"], json!([]));
    }
}
