//! The command line as typed: what clap parses, and every word of help.
//!
//! Nothing here knows what an argument means, opens a file or reads the
//! configuration; that is `cmd`'s and `config`'s. The one invariant: after the
//! name of a program with a short form, every argument is that program's own
//! and is kept as the bytes it came as.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};

pub mod programs;
mod proof;

pub use proof::{Keygen, Prove, Rekey, Seal, Verify};

/// What `hrec` was called with.
#[derive(Debug, Parser)]
#[command(
    name = "hrec",
    version,
    about = "Record terminal sessions: encrypted, compressed, byte-exact, replayable",
    long_about = "hrec stands between you and ssh, psql, kubectl or any other terminal program. \
        The program behaves exactly as it does alone; meanwhile every byte of output, every key that was \
        echoed and every resize is kept with its time in one file: asciicast v3 text, compressed with \
        zstd, encrypted with age. hrec replays it; so do stock tools:\n\n  \
        age -d -i KEY FILE.cast.zst.age | zstd -d | asciinema play -",
    arg_required_else_help = true,
    disable_help_subcommand = false,
    subcommand_value_name = "COMMAND",
    max_term_width = 100
)]
pub struct Args {
    /// The verb, or the program with a short form.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "clap would take a comment for the whole help; each struct has it")]
pub enum Verb {
    Rec(Rec),
    Play(Play),
    Ls(Ls),
    Info(Info),
    Cat(Cat),
    Recover(Recover),
    Verify(Verify),
    Seal(Seal),
    Prove(Prove),
    Rekey(Rekey),
    Keygen(Keygen),
    Doctor(Doctor),
    Shell(Shell),
    Collect(Collect),
    End(End),
    Completions(Completions),
    /// A program's name and that program's own arguments.
    #[command(external_subcommand)]
    Program(Vec<OsString>),
}

/// `hrec rec`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "Record a command, or a shell",
    override_usage = "hrec rec [OPTIONS] [--] [CMD [ARG ...]]\n       hrec ssh|psql|kubectl|... [ARG ...]",
    long_about = "Record a command, or, without one, your shell ($SHELL, else the one of your account).\n\n\
        The program runs on a terminal of its own and behaves as it does alone: keys, job control, \
        window size and exit status are passed on both ways. Without a terminal (in a pipe, under cron) it \
        gets the standard input and output it would have had. The recording goes to the store, see \
        hrec-config(5), and is encrypted before anything of it reaches a disk.\n\n\
        Many programs have a short form: `hrec ssh HOST` is `hrec rec -- ssh HOST`.",
    after_long_help = "Exit status:\n\
        The program's own; 128+N when it died of signal N; 125 when hrec itself failed, was \
        called wrongly, or ended a strict session; 126 when the program could not be executed; 127 when it was \
        not found.\n\n\
        Examples:\n  \
        hrec rec\n  \
        hrec rec -- make -j8 install\n  \
        hrec rec --title 'restore drill' -o drill.cast.zst.age -- psql -h db1 prod"
)]
pub struct Rec {
    /// Write the recording to FILE instead of the store
    ///
    /// FILE must not exist. While the session runs the recording is beside it, as FILE.part and
    /// journals.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// Encrypt to this recipient (may be given several times)
    ///
    /// An age recipient: `age1...`, or the text of an SSH public key (`ssh-ed25519 ...`, `ssh-rsa ...`).
    /// With -r or -R, the configuration's recipients are not used, unless they are locked.
    #[arg(short, long, value_name = "RECIPIENT")]
    pub recipient: Vec<String>,

    /// Encrypt to every recipient in FILE (may be given several times)
    ///
    /// One recipient a line; blank lines and lines that begin with # are ignored.
    #[arg(short = 'R', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub recipients_file: Vec<PathBuf>,

    /// What happens when the recording cannot be written
    #[arg(long, value_name = "MODE", value_parser = choices(MODES))]
    pub mode: Option<String>,

    /// What is kept of the keys typed
    #[arg(long, value_name = "WHAT", value_parser = choices(INPUTS))]
    pub input: Option<String>,

    /// Seal with the key in FILE, as seal.key in hrec-config(5) names one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub seal_key: Option<PathBuf>,

    /// Give the recording a title
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,

    /// The command and its arguments
    #[arg(value_name = "CMD", trailing_var_arg = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// The values of `--mode` and of `record.mode`, each with what it means.
pub const MODES: &[(&str, &str)] = &[
    ("strict", "end the session: nothing is shown that is not kept"),
    ("best-effort", "go on, and record that there is a gap"),
];

/// The values of `--input` and of `record.input`, each with what it means.
pub const INPUTS: &[(&str, &str)] = &[
    ("echoed", "what the terminal echoed; passwords and other unseen text are masked"),
    ("full", "everything but what is typed while echo is off or at a password prompt"),
    ("none", "nothing"),
];

/// Which keys open a recording; taken by every verb that looks inside one.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Identity {
    /// Open with this identity (may be given several times)
    ///
    /// An age identity file, also one that is protected by a passphrase, or an SSH private key.
    /// Without -i: $XDG_CONFIG_HOME/hrec/identity.txt.
    #[arg(short = 'i', long = "identity", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
}

/// `hrec play`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    about = "Replay a recording",
    long_about = "Replay a recording. Everything goes through hrec's own model of a terminal, so nothing in a \
        recording can act on yours.\n\n\
        Recordings of other tools open too, by content: asciicast v1, v2 and v3, plain or compressed with \
        gzip or zstd, encrypted with age or not.\n\n\
        Without REC it begins with a list of the recordings in the store, the newest first, and the last screen of \
        the one that is chosen, as far as your identity opens it. What you type narrows the list: each word must \
        fit, anywhere or, as user:alice, host:web, target:db, program:psql, date:2026-11, state:live and id:AAAA, \
        in that field; !word leaves out what fits. Enter plays, Esc comes back to the list, ? lists the keys.",
    after_long_help = "Examples:\n  \
        hrec play\n  \
        hrec play -2 --speed 4\n  \
        hrec play demo.cast --idle-limit 0.5"
)]
pub struct Play {
    /// The recording: a path, an id, a unique part of one, or -1 for the latest, -2 for the one before
    ///
    /// Without it the recordings there are can be looked through, and one be chosen. Where there is no
    /// terminal to do that on, or with --plain, it is the latest.
    #[arg(value_name = "REC", allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub rec: Option<OsString>,

    /// Begin at T: 90 (seconds), 1:23:45, 12m30s, 50%, or 14:03 (by the local clock)
    ///
    /// With the screen as it was then. Where the output is no terminal, the lines that had left the screen by then
    /// are left out.
    #[arg(long, value_name = "T")]
    pub at: Option<String>,

    /// Join a recording that is still being made at its end, and follow it
    ///
    /// Without REC, the latest.
    #[arg(long, conflicts_with_all = ["at", "plain"])]
    pub follow: bool,

    /// Play this many times as fast
    ///
    /// 0.01 to 1000.
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub speed: f64,

    /// Shorten longer pauses to S seconds; 0 keeps them all
    ///
    /// Seconds, or with a unit: 1.5, 500ms, 1m. The default is play.idle in hrec-config(5), 2s.
    #[arg(long, value_name = "S")]
    pub idle_limit: Option<String>,

    /// Show the replay and nothing else: no keys, no bars
    #[arg(long)]
    pub plain: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub identity: Identity,
}

/// `hrec ls`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "List recordings",
    long_about = "List the recordings in the store, newest first: when, how long, what, to where, and in which \
        state. Needs no key: it reads the manifests only.",
    after_long_help = "Examples:\n  \
        hrec ls\n  \
        hrec ls prod-db1\n  \
        hrec ls --json | jq -r '.[].id'"
)]
pub struct Ls {
    /// Only recordings whose id has this in it (all of them, when several are given)
    #[arg(value_name = "TEXT")]
    pub filter: Vec<String>,

    /// Write JSON: an array of manifests
    #[arg(long)]
    pub json: bool,
}

/// `hrec info`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    about = "Tell about one recording",
    long_about = "Tell what is known of a recording: from its manifest without a key, and from its header with one.",
    after_long_help = "Examples:\n  hrec info -1\n  hrec info --json prod-db1"
)]
pub struct Info {
    /// The recording: a path, an id, a unique part of one, or -1 for the latest, -2 for the one before
    #[arg(value_name = "REC", allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub rec: OsString,

    /// Write JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub identity: Identity,
}

/// `hrec cat`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    about = "Write a recording's content to standard output",
    long_about = "Write a recording's content to standard output, decrypted and decompressed, in the format asked for.",
    after_long_help = "JSON lines:\n\
        With --format json, each line is one object. The first has event header. Every other has time_us \
        (microseconds since the start) and event: output and input with text (and base64 of the exact bytes where \
        they are no UTF-8), resize with cols and rows, marker with label, exit with status, fact with kind and fields \
        (see hrec-recording(5)), other with code and data.\n\n\
        Exit status:\n\
        0, also for a recording that was cut short; 125 when it cannot be read, or a line in it was passed over. \
        What it lacks is said on standard error.\n\n\
        Examples:\n  \
        hrec cat -1 | asciinema play -\n  \
        hrec cat --format text prod-db1 | less\n  \
        hrec cat --format raw old.cast > bytes"
)]
pub struct Cat {
    /// The recording: a path, an id, a unique part of one, - for standard input, or -1 for the latest
    #[arg(value_name = "REC", allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub rec: OsString,

    /// In which format
    #[arg(long, value_name = "FORMAT", default_value = "v3", value_parser = choices(FORMATS))]
    pub format: String,

    /// Write raw bytes to a terminal, although they can act on it
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub identity: Identity,
}

/// The values of `cat --format`, each with what it means.
pub const FORMATS: &[(&str, &str)] = &[
    ("v3", "asciicast v3, as it was recorded"),
    ("v2", "asciicast v2, for older players"),
    ("v1", "asciicast v1, output only"),
    ("raw", "the program's output, byte for byte"),
    ("text", "the output as a reader saw it, without escape sequences"),
    ("json", "one JSON object for each event"),
];

/// `hrec recover`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    about = "Make a finished recording of an interrupted one",
    long_about = "Make a finished recording of one that was interrupted (kill -9, power, a full disk). What is \
        there can be read without this; recovering turns it into the one file that stock tools open. The \
        recording's state becomes \"recovered\". Needs a key that opens it.\n\n\
        Where hrec rekey did not come to its end, it brings that to one: the recording is then the form that its \
        manifest has, the old or the new. That needs no key.",
    after_long_help = "Examples:\n  hrec recover -1"
)]
pub struct Recover {
    /// The recording: a path, an id, a unique part of one, or -1 for the latest
    #[arg(value_name = "REC", allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub rec: OsString,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented where it is defined")]
    pub identity: Identity,
}

/// `hrec doctor`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "Check keys, store, configuration, and that recording works",
    long_about = "Check keys, store, permissions, disk and versions; tell which setting has which value and where it \
        comes from; and make a test recording, read it back and remove it.",
    after_long_help = "Exit status:\n0 when all is well, 1 when there are findings.\n\nExamples:\n  hrec doctor\n  hrec doctor --json | jq .findings"
)]
pub struct Doctor {
    /// Check instead whether people can work unrecorded on this host, see hrec-bastion(7)
    #[arg(long)]
    pub bastion: bool,

    /// Write JSON
    #[arg(long)]
    pub json: bool,
}

/// `hrec shell`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "Be a login shell or a forced command that records",
    override_usage = "hrec shell",
    long_about = "Run the person's real shell, or a command in it, and record that: as the login shell in passwd(5) \
        (by a link named hrec-shell, or hrec-shell-NAME), and as sshd's ForceCommand. What sshd was asked to run is taken from \
        SSH_ORIGINAL_COMMAND, or from -c. hrec-bastion(7) has how to set a host up, and what is enforced where.\n\n\
        With a terminal the program gets one of its own; without one, three pipes, and hrec says nothing. Which shell is \
        run is said by shell.users, shell.groups and shell.default in hrec-config(5), or, for hrec-shell-NAME, by that \
        name, which is looked for in shells(5).\n\n\
        Only the system's configuration counts. Where the session cannot be recorded it is refused or ended, unless the \
        person is named by record.rescue_users or record.rescue_groups and has not brought that about.",
    after_long_help = "Exit status:\n\
        The program's own; when the program died of a signal, hrec dies of the same one. 125 when the session was \
        refused, or ended because it could not be recorded; 126 when the program could not be executed; 127 when it was \
        not found."
)]
pub struct Shell {}

/// `hrec collect`.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(
    about = "Hold a host's recordings as they are made",
    long_about = "Be the collector: take the recordings of a host's sessions as they are made, under a uid of its own, \
        so that they are out of the recorded person's reach. It listens on the socket that store.collector names, or on \
        the one that systemd(1) hands it; keeps what comes in store.path; and writes manifests, seals and ledger itself, \
        with what the kernel says of who is at the other end. What it gets is encrypted already, and it has no key to \
        look inside. See hrec-bastion(7) and hrec-config(5).\n\n\
        It can be ended and started again at any time: sessions wait for it for shell.collector_wait, and go on where \
        they were. What it refuses, and why, is in its log (standard error), with the reference that the person was told.",
    after_long_help = "Exit status:\n\
        0 when it was ended by SIGTERM or SIGINT, 125 when it could not start.\n\n\
        Examples:\n  hrec collect\n  systemctl enable --now hrec-collect.socket"
)]
pub struct Collect {
    /// Pass on between the standard streams and the collector, for somebody who reads from another machine
    ///
    /// What `hrec ls ssh://BASTION/` and its like run on the bastion. Where the login shell is hrec, no program is run
    /// for exactly these words, and no session is recorded: who reads what stands in the ledger.
    #[arg(long, exclusive = true)]
    pub reader: bool,

    /// Tell the collector of a login, from pam_exec(8): session optional pam_exec.so quiet /usr/bin/hrec collect --login
    ///
    /// For root. A login without a recording within 10 seconds is in the collector's log and in the ledger, and hrec
    /// verify --all tells of it. It takes no longer than a second, and never fails: what went wrong is in syslog(3).
    #[arg(long, exclusive = true)]
    pub login: bool,
}

/// `hrec end`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    about = "End a session that is being recorded by a collector",
    long_about = "End a session that is being recorded by a collector: its program is hung up, as when the person's \
        connection is lost, and the recording is finished with the end reason \"ended\". One that does not obey within 2 \
        seconds is killed. For members of collect.enders; the ledger has who did it.",
    after_long_help = "Examples:\n  hrec end AAAAAAAA\n  hrec end ssh://bastion1/-1"
)]
pub struct End {
    /// The session's recording: an id, a unique part of one, or -1 for the latest; ssh://BASTION/REC for another host's
    #[arg(value_name = "REC", allow_negative_numbers = true)]
    pub rec: OsString,
}

/// `hrec completions`.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    about = "Write a shell's completion script to standard output",
    long_about = "Write a completion script for bash, zsh or fish to standard output. ./install.sh has done so already. \
        After the name of a recorded program, that program's own completion takes over.",
    after_long_help = "Examples:\n  hrec completions bash > ~/.local/share/bash-completion/completions/hrec"
)]
pub struct Completions {
    /// For which shell
    #[arg(value_name = "SHELL", value_parser = choices(SHELLS))]
    pub shell: String,
}

/// The shells with completion scripts.
pub const SHELLS: &[(&str, &str)] = &[("bash", ""), ("zsh", ""), ("fish", "")];

/// The whole command, with the programs that have a short form in its help:
/// what help, man pages and completions are made from.
#[must_use]
pub fn command() -> clap::Command {
    let names: Vec<_> = programs::PROGRAMS.iter().map(|p| p.name).collect();
    Args::command()
        .override_usage("hrec ssh|psql|kubectl|... ARGS\n       hrec rec [OPTIONS] [--] [CMD ...]\n       hrec COMMAND ...")
        .after_help(format!(
            "Programs with a short form; everything after the name is the program's own:\n  {}\n\n\
            Any other program: hrec rec -- CMD ...",
            names.join(" ")
        ))
}

impl Args {
    /// The process's own arguments, parsed.
    ///
    /// # Errors
    /// What clap says is wrong with them, or the help or version asked for.
    pub fn from_process() -> Result<Self, clap::Error> {
        let words: Vec<OsString> = std::env::args_os().collect();
        match Self::recording(&words) {
            Some(verb) => Ok(Self { verb }),
            None => Self::from_arg_matches(&command().try_get_matches_from(words)?),
        }
    }

    /// What the words mean, where they are the beginning of a recording and
    /// nothing is wrong with them. The person waits for the program, and the
    /// description of all other verbs takes longer to put together than to read
    /// the configuration.
    fn recording(words: &[OsString]) -> Option<Verb> {
        let (verb, rest) = words.get(1..)?.split_first()?;
        if verb == "rec" {
            let command = Rec::augment_args(clap::Command::new("rec").no_binary_name(true));
            let matches = command.try_get_matches_from(rest).ok()?;
            return Some(Verb::Rec(Rec::from_arg_matches(&matches).ok()?));
        }
        programs::find(verb.to_str()?)?;
        words.get(1..).map(|words| Verb::Program(words.to_vec()))
    }
}

/// A parser that takes exactly these values and lists their meaning in help.
fn choices(
    values: &'static [(&'static str, &'static str)],
) -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(values.iter().map(|&(name, about)| {
        let value = PossibleValue::new(name);
        if about.is_empty() { value } else { value.help(about) }
    }))
}

/// `--speed`: outside of this range a replay is indistinguishable from a stop
/// or from `cat`, and the time arithmetic would have nothing to hold on to.
fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.01..=1000.0).contains(&x) => Ok(x),
        _ => Err("a number from 0.01 to 1000 is needed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn parse(args: &[&str]) -> Args {
        Args::try_parse_from(args).unwrap()
    }

    #[test]
    fn clap_finds_nothing_wrong() {
        command().debug_assert();
    }

    #[test]
    fn no_program_hides_a_verb() {
        let command = command();
        for sub in command.get_subcommands() {
            assert!(programs::find(sub.get_name()).is_none(), "{}", sub.get_name());
        }
        // Verbs that come later are taken too.
        for verb in "help search sql export import verify prove prune hold release report rekey shell collect".split(' ') {
            assert!(programs::find(verb).is_none(), "{verb}");
        }
    }

    #[test]
    fn a_programs_arguments_pass_untouched() {
        let odd = OsString::from_vec(b"caf\xe9".to_vec());
        let mut args: Vec<OsString> =
            ["hrec", "ssh", "-p", "22", "--", "-v", "host", "--help", "--version", "-o", "", "rec"]
                .map(OsString::from)
                .to_vec();
        args.push(odd);
        let Verb::Program(got) = Args::try_parse_from(&args).unwrap().verb else { panic!() };
        assert_eq!(got, args.get(1..).unwrap());
    }

    #[test]
    fn rec_takes_the_rest_as_the_command() {
        for args in [
            &["hrec", "rec", "--title", "t", "--", "ls", "-l", "--", "-o", "x"][..],
            &["hrec", "rec", "--title", "t", "ls", "-l", "--", "-o", "x"],
        ] {
            let Verb::Rec(rec) = parse(args).verb else { panic!() };
            assert_eq!(rec.command, ["ls", "-l", "--", "-o", "x"], "{args:?}");
            assert_eq!(rec.title.as_deref(), Some("t"));
            assert_eq!(rec.output, None);
        }
    }

    #[test]
    fn the_short_way_to_a_recording_reads_what_the_long_one_does() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for line in [
            "hrec rec",
            "hrec rec -- ls -l -- -o x",
            "hrec rec --title t -o f -r age1a -r age1b -R k ls --help",
            "hrec rec --mode=strict --input none --seal-key k -- sh",
            "hrec ssh -p 22 host --help",
            "hrec psql",
        ] {
            let words = words(line);
            let short = Args::recording(&words).unwrap_or_else(|| panic!("{line}"));
            let long = Args::try_parse_from(&words).unwrap().verb;
            assert_eq!(format!("{short:?}"), format!("{long:?}"));
        }
        // What is to be said then, only the whole command knows.
        for line in [
            "hrec",
            "hrec ls",
            "hrec rec --help",
            "hrec rec --mode lax",
            "hrec rcc",
            "hrec --version",
        ] {
            assert!(Args::recording(&words(line)).is_none(), "{line}");
        }
    }

    #[test]
    fn numbered_recordings_are_no_options() {
        let Verb::Play(play) = parse(&["hrec", "play", "-2", "--speed", "3"]).verb else {
            panic!()
        };
        assert_eq!((play.rec.as_ref().and_then(|r| r.to_str()), play.speed), (Some("-2"), 3.0));
        let Verb::Play(play) = parse(&["hrec", "play"]).verb else { panic!() };
        assert_eq!(play.rec, None);
        let Verb::Cat(cat) = parse(&["hrec", "cat", "-i", "k", "-1"]).verb else { panic!() };
        assert_eq!((cat.rec.to_str(), cat.identity.files.len()), (Some("-1"), 1));
        let Verb::Info(info) = parse(&["hrec", "info", "-10", "--json"]).verb else { panic!() };
        assert!(info.json);
    }

    #[test]
    fn a_misspelt_option_is_not_taken_for_a_recording() {
        for args in [
            &["hrec", "cat", "--froce", "x"][..],
            &["hrec", "play", "--spede"],
            &["hrec", "info", "-x"],
        ] {
            assert!(Args::try_parse_from(args).is_err(), "{args:?}");
        }
    }

    #[test]
    fn speed_has_a_range() {
        for bad in ["0", "-1", "NaN", "inf", "1001", "fast"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
        assert_eq!(speed("0.5"), Ok(0.5));
    }
}
