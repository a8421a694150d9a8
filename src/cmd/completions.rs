//! `hrec completions SHELL`: completion scripts, made from the command
//! definitions and the table of programs.
//!
//! The one thing added to what clap makes: after the name of a program with a
//! short form, that program's own completion takes over.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap_complete::Shell;

use crate::cli::{self, programs};

/// Writes the script to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &cli::Completions) -> Result<ExitCode> {
    let script = script(&args.shell)?;
    let mut out = super::out::out();
    out.write_all(script.as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: &str) -> Result<String> {
    Ok(match shell {
        "bash" => at_head("_hrec() {\n", BASH, &generated(Shell::Bash)?)?,
        "zsh" => at_head("_hrec() {\n", ZSH, &generated(Shell::Zsh)?)?,
        "fish" => generated(Shell::Fish)? + &filled(FISH),
        other => bail!("there are no completions for {other}; choose bash, zsh or fish"),
    })
}

/// clap's script, with the programs among the sub-commands.
fn generated(shell: Shell) -> Result<String> {
    let programs = programs::PROGRAMS.iter();
    let mut command = cli::command().subcommands(
        programs.map(|p| clap::Command::new(p.name).about(p.about).disable_help_flag(true)),
    );
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "hrec", &mut script);
    String::from_utf8(script)
        .context("clap made a completion script that is no UTF-8; please report it")
}

/// `script` with `added` at the head of its main function.
fn at_head(function: &str, added: &str, script: &str) -> Result<String> {
    let (before, after) = script
        .split_once(function)
        .context("clap's completion script has another form than expected; please report it")?;
    Ok(format!("{before}{function}{}{after}", filled(added)))
}

fn filled(text: &str) -> String {
    let names: Vec<_> = programs::PROGRAMS.iter().map(|p| p.name).collect();
    text.replace("@NAMES@", &names.join(" ")).replace("@CASES@", &names.join("|"))
}

/// bash-completion has a function for "from this word on it is a command", by
/// two names over time. Without it files are completed, which is bash's own
/// way with commands that it knows nothing of.
const BASH: &str = r#"    local hrec_from=0 hrec_word
    case "${COMP_WORDS[1]-}" in
        @CASES@) hrec_from=1 ;;
        rec)
            for ((hrec_word = 2; hrec_word < COMP_CWORD; hrec_word++)); do
                [[ ${COMP_WORDS[hrec_word]} == -- ]] && hrec_from=$((hrec_word + 1)) && break
            done
            ;;
    esac
    if ((hrec_from > 0 && COMP_CWORD >= hrec_from && COMP_CWORD > 1)); then
        COMPREPLY=()
        if declare -F _comp_command_offset >/dev/null; then
            _comp_command_offset "$hrec_from"
        elif declare -F _command_offset >/dev/null; then
            _command_offset "$hrec_from"
        fi
        return 0
    fi
"#;

const ZSH: &str = r#"    if (( CURRENT > 2 )); then
        case "$words[2]" in
            @CASES@)
                shift words
                (( CURRENT-- ))
                _normal
                return
                ;;
        esac
    fi
"#;

const FISH: &str = r#"complete -c hrec -n "__fish_seen_subcommand_from @NAMES@" -x -a "(__fish_complete_subcommand)"
"#;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn every_verb_and_program_is_offered() {
        for shell in cli::SHELLS {
            let script = script(shell.0).unwrap();
            let command = cli::command();
            let verbs = command.get_subcommands().map(|c| c.get_name());
            for name in verbs.chain(programs::PROGRAMS.iter().map(|p| p.name)) {
                assert!(script.contains(name), "{}: {name}", shell.0);
            }
            assert!(!script.contains("@NAMES@") && !script.contains("@CASES@"));
        }
    }

    /// Runs the script in a real bash, with words typed, and says what it
    /// would offer or whom it asked.
    fn bash(words: &str, current: usize) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hrec.bash");
        std::fs::write(&path, script("bash").unwrap()).unwrap();
        let test = format!(
            "_command_offset() {{ echo \"command from $1\"; }}; . '{}'; COMP_WORDS=({words}); COMP_CWORD={current}; \
             _hrec hrec \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"",
            path.display()
        );
        let out = Command::new("bash").args(["--norc", "-uc", &test]).output().unwrap();
        assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn bash_completes_verbs_options_and_programs() {
        assert_eq!(bash("hrec pl", 1), "play");
        assert_eq!(bash("hrec kub", 1), "kubectl");
        assert_eq!(bash("hrec rec --tit", 2), "--title");
        assert_eq!(bash("hrec cat --format ra", 3), "raw");
    }

    #[test]
    fn bash_hands_over_to_the_programs_own_completion() {
        assert_eq!(bash("hrec ssh -p", 2), "command from 1");
        assert_eq!(bash("hrec ssh host --title", 3), "command from 1");
        assert_eq!(bash("hrec rec --title t -- ls -", 6), "command from 5");
        assert!(!bash("hrec rec --", 2).contains("command from"));
    }

    #[test]
    fn zsh_and_fish_scripts_parse_where_these_shells_are() {
        let dir = tempfile::tempdir().unwrap();
        let mut tried = vec![("bash", "-n")];
        tried.extend([("zsh", "-n"), ("fish", "-n")].into_iter().filter(|(shell, _)| {
            Command::new(shell).arg("--version").output().is_ok_and(|o| o.status.success())
        }));
        for (shell, flag) in tried {
            let path = dir.path().join(shell);
            std::fs::write(&path, script(shell).unwrap()).unwrap();
            let out = Command::new(shell).arg(flag).arg(&path).output().unwrap();
            assert!(out.status.success(), "{shell}: {}", String::from_utf8_lossy(&out.stderr));
        }
    }
}
