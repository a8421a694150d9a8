//! SFTP, both directions of it.
//!
//! Refuses to know how packets are cut, read and understood: that is `packets`,
//! `request` and `session`. The invariant: every byte of either side is in a
//! packet, or counted as not followed.

mod open;
mod packets;
mod request;
mod session;

use packets::{Packets, Part};
use session::Session;

use super::{Out, Side, Stop};

#[derive(Debug, Default)]
pub(super) struct Sftp {
    client: Packets,
    server: Packets,
    session: Session,
}

impl Sftp {
    pub(super) fn pending(&self) -> usize {
        self.session.used() + self.client.held() + self.server.held()
    }

    pub(super) fn feed(
        &mut self,
        from: Side,
        mut bytes: &[u8],
        out: &mut Out<'_>,
    ) -> Result<(), Stop> {
        let packets = match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        loop {
            packets.skip(&mut bytes);
            let left = packets.begun() + bytes.len();
            let Some(part) = packets.next(&mut bytes) else { return Ok(()) };
            let understood = match part {
                Part::Bad(length) => Err(format!("a packet of {length} bytes")),
                Part::Packet(kind, body) => self.session.packet(from, kind, body, out),
                Part::Begin(kind, head, length) => {
                    self.session.begin(from, kind, head, length, out)
                }
                Part::Data(data) => {
                    if self.session.data(from, data, out) {
                        out.take(data.len(), bytes.len());
                    }
                    Ok(())
                }
                Part::End => {
                    self.session.end(from);
                    Ok(())
                }
            };
            if let Err(why) = understood {
                *packets = Packets::default();
                return Err(Stop { why: format!("not SFTP: {why}"), from, left });
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Out<'_>) {
        std::mem::take(&mut self.session).finish(out);
        out.unfollowed.add(Side::Client, self.client.begun());
        out.unfollowed.add(Side::Server, self.server.begun());
    }
}
