//! A peer that ends sessions.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::{Daemon, Refusal};
use crate::format::wire::Hello;
use crate::sys::peer::Peer;

/// Serves one, until it has what it wants.
///
/// # Errors
/// With what it is told where it may not have that.
pub(super) fn serve(
    _daemon: &Arc<Daemon>,
    _stream: UnixStream,
    _peer: &Peer,
    _hello: &Hello,
) -> Result<(), Refusal> {
    Err("this collector takes sessions only".into())
}
