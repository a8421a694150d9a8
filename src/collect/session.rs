//! A session's connection.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::Daemon;
use crate::format::wire::Hello;
use crate::sys::peer::Peer;

/// Takes what a session sends, until it has ended.
pub(super) fn serve(daemon: &Arc<Daemon>, stream: UnixStream, peer: Peer, _hello: &Hello) {
    daemon.log.refuse(&stream, &peer, "a session", &"sessions are not taken yet".into());
}
