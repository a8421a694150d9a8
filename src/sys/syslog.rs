//! One line to the host's log, syslog(3).

#![allow(unsafe_code)]

use std::ffi::CString;

/// Sends a line to syslog as `hrec`, facility `authpriv`, priority `warning`:
/// where logins are logged, so where a login without a record is looked for.
pub fn warning(line: &str) {
    send(libc::LOG_WARNING, line);
}

/// The same with priority `notice`: what is as it should be, and worth keeping.
pub fn notice(line: &str) {
    send(libc::LOG_NOTICE, line);
}

fn send(priority: libc::c_int, line: &str) {
    let clean: String = line.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    if let Ok(text) = CString::new(clean) {
        // SAFETY: both strings end in NUL, and the format takes exactly one
        // string. A null ident is not passed: the literal is static.
        unsafe {
            libc::openlog(c"hrec".as_ptr(), libc::LOG_PID, libc::LOG_AUTHPRIV);
            libc::syslog(priority, c"%s".as_ptr(), text.as_ptr());
            libc::closelog();
        }
    }
}
