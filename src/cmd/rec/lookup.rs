//! What the program is really pointed at, found out while it already runs.

use std::ffi::{OsStr, OsString};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::Fact;
use crate::identity::lookup::{self, Surroundings};
use crate::identity::target::Target;
use crate::record::queue::{Kind, Queue};
use crate::sys::clock::Clock;
use crate::sys::{detach, users};

/// What a lookup found, for the manifest; `None` until it has.
pub type Found = Arc<Mutex<Option<Target>>>;

/// A lookup to come.
pub struct Lookup {
    program: OsString,
    args: Vec<OsString>,
    typed: Target,
    user: Option<users::User>,
    found: Found,
}

impl Lookup {
    /// A lookup for this command line.
    pub fn new(
        program: &OsStr,
        args: &[OsString],
        typed: &Target,
        user: Option<users::User>,
    ) -> Self {
        Self {
            program: program.to_owned(),
            args: args.to_vec(),
            typed: typed.clone(),
            user,
            found: Found::default(),
        }
    }

    /// Where the result will be.
    pub fn found(&self) -> Found {
        Arc::clone(&self.found)
    }

    /// Looks in a thread of its own, and notes the result as a `target` fact.
    /// A thread that cannot be had leaves the target as it was typed.
    pub fn start(self, queue: &Arc<Queue>, clock: Clock) {
        if !lookup::applies(&self.program) {
            return;
        }
        let queue = Arc::clone(queue);
        let _ = std::thread::Builder::new().name("lookup".to_owned()).spawn(move || {
            let around = Surroundings {
                environment: &|name| std::env::var_os(name),
                home: std::env::var_os("HOME").map(Into::into),
                user: self.user.map(|user| user.name),
                detach: &detach::own_session,
            };
            let Some(target) = lookup::run(&self.program, &self.args, &self.typed, &around) else {
                return;
            };
            if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(&target) {
                let fact = Fact { kind: "target".to_owned(), fields };
                queue.push(clock.micros(), Kind::Fact(fact), &[]);
            }
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(target);
        });
    }
}
