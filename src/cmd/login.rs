//! `hrec collect --login`: tells the collector of a login, from the host's PAM
//! stack.
//!
//! Its invariant: it hinders nobody's login. It is over within a second, and
//! where PAM runs it its status is 0 whatever happens; what went wrong is in the
//! host's log.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::carry;
use crate::collect::Told;
use crate::format::wire::{self, Role};
use crate::sys::{inherited, kin, syslog};

/// All that it may take.
const LIMIT: Duration = Duration::from_millis(900);

/// The longest of the variables that PAM sets, and of `/proc`'s numbers.
const LONGEST: usize = 256;

/// Tells of it.
///
/// # Errors
/// When it is not PAM that runs it: there is no login to tell of.
pub(super) fn run() -> Result<ExitCode> {
    inherited::close_all();
    let variable = |name: &str| {
        let text = std::env::var_os(name)?.to_string_lossy().into_owned();
        Some(text.chars().take(LONGEST).collect::<String>()).filter(|text| !text.is_empty())
    };
    // Its end is nobody's login.
    let no_login = "hrec collect --login tells of a login, and PAM_TYPE and PAM_USER, which say what login, are not \
         set: let pam_exec(8) run it, see hrec-bastion(7)";
    if variable("PAM_TYPE").context(no_login)? != "open_session" {
        return Ok(ExitCode::SUCCESS);
    }
    let user = variable("PAM_USER").context(no_login)?;
    let late = format!("the collector was not told of a login of {user}: it took too long");
    let watch = std::thread::Builder::new().spawn(move || {
        std::thread::sleep(LIMIT);
        syslog::warning(&late);
        std::process::exit(0);
    });
    let told = watch.map_err(|error| error.to_string()).and_then(|_| {
        let opener = kin::ancestors(std::process::id()).first().copied();
        let opener = opener.ok_or("it is not known who opened it")?;
        tell(&Told {
            user: user.clone(),
            service: variable("PAM_SERVICE").unwrap_or_default(),
            rhost: variable("PAM_RHOST"),
            tty: variable("PAM_TTY"),
            opener: (opener.pid, opener.start),
            audit_session: audit_session(),
        })
    });
    if let Err(why) = told {
        syslog::warning(&format!("the collector was not told of a login of {user}: {why}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(told: &Told) -> Result<(), String> {
    let Ok(Value::Object(words)) = serde_json::to_value(told) else {
        return Err("it cannot be put into words".to_owned());
    };
    let stream = carry::connect_saying(Role::Login, words)?;
    let frame = wire::read(&mut &stream).map_err(|error| error.to_string())?;
    match frame {
        Some(frame) if frame.kind == wire::kind::OK => Ok(()),
        Some(frame) if frame.kind == wire::kind::REFUSED => {
            let refused = frame.json::<wire::Refused>().map_err(|error| error.to_string())?;
            Err(format!("{} (reference {})", refused.sentence, refused.reference))
        }
        _ => Err("it did not answer".to_owned()),
    }
}

fn audit_session() -> Option<u32> {
    let mut text = String::new();
    let file = std::fs::File::open("/proc/self/sessionid").ok()?;
    file.take(LONGEST as u64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok().filter(|session| *session != u32::MAX)
}
