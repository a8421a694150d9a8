//! One direction of SFTP, cut into packets.
//!
//! Refuses to know what a packet means. The invariant: whatever length a packet
//! claims, no more of it is kept than [`HEAD_MAX`], and a file's data is passed
//! on as it lies in the bytes that were fed.

/// OpenSSH's server and client end the session at a packet of more than
/// 256 KiB (sftp-common.h), and no other is known to take four times that.
pub(super) const PACKET_MAX: u32 = 1 << 20;
/// More of a packet, its data aside, is not kept: room for two paths of
/// PATH_MAX and the rest of a request.
const HEAD_MAX: usize = 16 << 10;
/// No handle is longer, draft-ietf-secsh-filexfer-02, 6.2.
const HANDLE_MAX: usize = 256;

/// The number of a packet that carries a file's data, from the client.
pub(super) const WRITE: u8 = 6;
/// The number of a packet that carries a file's data, from the server.
pub(super) const DATA: u8 = 103;

#[derive(Debug, Default)]
pub(super) struct Packets {
    state: State,
    /// The length field, then the type and what follows it.
    head: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Length,
    Head {
        length: usize,
    },
    /// So many bytes of data, and then so many of no use.
    Data {
        left: usize,
        rest: usize,
    },
    Skip {
        left: usize,
    },
}

/// A part of the stream.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A packet, as much as is kept of it.
    Packet(u8, &'a [u8]),
    /// One that carries data: all before the data, and how much there is.
    Begin(u8, &'a [u8], usize),
    /// The next of its data.
    Data(&'a [u8]),
    /// There is no more of its data.
    End,
    /// No packet has this length.
    Bad(u32),
}

impl Packets {
    /// What comes next in `bytes`, which is left with what is behind it;
    /// `None` when more bytes are needed.
    pub(super) fn next<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Option<Part<'s>> {
        loop {
            match self.state {
                State::Length => {
                    self.collect(4, bytes)?;
                    let length =
                        self.head.first_chunk().map_or(0, |field| u32::from_be_bytes(*field));
                    if length == 0 || length > PACKET_MAX {
                        return Some(Part::Bad(length));
                    }
                    self.head.clear();
                    self.state = State::Head { length: length as usize };
                }
                State::Head { length } => return self.head(length, bytes),
                State::Data { left: 0, rest } => {
                    self.state = State::Skip { left: rest };
                    return Some(Part::End);
                }
                State::Data { left, rest } => {
                    let data = take(bytes, left);
                    self.state = State::Data { left: left - data.len(), rest };
                    return (!data.is_empty()).then_some(Part::Data(data));
                }
                State::Skip { .. } => {
                    self.skip(bytes);
                    if bytes.is_empty() {
                        return None;
                    }
                }
            }
        }
    }

    /// Passes over what is of no use.
    pub(super) fn skip(&mut self, bytes: &mut &[u8]) {
        if let State::Skip { left } = self.state {
            let left = left - take(bytes, left).len();
            if left > 0 {
                self.state = State::Skip { left };
            } else {
                self.head.clear();
                self.state = State::Length;
            }
        }
    }

    fn head<'s>(&'s mut self, length: usize, bytes: &mut &[u8]) -> Option<Part<'s>> {
        loop {
            let want = self.wanted().min(length);
            self.collect(want, bytes)?;
            if self.wanted().min(length) == want {
                break;
            }
        }
        let left = length - self.head.len();
        let data = self.data_length();
        let (kind, body) = self.head.split_first()?;
        match data {
            Some(data) => {
                let data = data.min(left);
                self.state = State::Data { left: data, rest: left - data };
                Some(Part::Begin(*kind, body, data))
            }
            None => {
                self.state = State::Skip { left };
                Some(Part::Packet(*kind, body))
            }
        }
    }

    /// How much of the packet must be there, the type included, as far as that
    /// can be told from what is.
    fn wanted(&self) -> usize {
        match self.head.first() {
            None => 1,
            // The request's number, and the length of the data.
            Some(&DATA) => 1 + 4 + 4,
            // The number, the handle, the offset, and the length of the data.
            Some(&WRITE) => match self.handle_length() {
                None => 1 + 4 + 4,
                Some(length) if length <= HANDLE_MAX => 1 + 4 + 4 + length + 8 + 4,
                Some(_) => HEAD_MAX,
            },
            Some(_) => HEAD_MAX,
        }
    }

    fn handle_length(&self) -> Option<usize> {
        self.head
            .get(5..)
            .and_then(<[u8]>::first_chunk)
            .map(|field| u32::from_be_bytes(*field) as usize)
    }

    /// How much data it says it has, when it is one that carries data and all
    /// before it is there.
    fn data_length(&self) -> Option<usize> {
        let carries = match *self.head.first()? {
            DATA => true,
            WRITE => self.handle_length()? <= HANDLE_MAX,
            _ => false,
        };
        let field = self.head.last_chunk()?;
        (carries && self.head.len() == self.wanted()).then_some(u32::from_be_bytes(*field) as usize)
    }

    /// Takes bytes until `want` are there.
    fn collect(&mut self, want: usize, bytes: &mut &[u8]) -> Option<()> {
        self.head.extend_from_slice(take(bytes, want.saturating_sub(self.head.len())));
        (self.head.len() >= want).then_some(())
    }

    /// What is kept, in bytes of memory.
    pub(super) fn held(&self) -> usize {
        self.head.capacity()
    }

    /// How many bytes of a packet that is not whole have been taken.
    pub(super) fn begun(&self) -> usize {
        match self.state {
            State::Length => self.head.len(),
            State::Head { .. } => 4 + self.head.len(),
            State::Data { .. } | State::Skip { .. } => 0,
        }
    }
}

/// Takes up to `most` bytes off the front.
fn take<'b>(bytes: &mut &'b [u8], most: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at_checked(most).unwrap_or((bytes, b""));
    *bytes = rest;
    taken
}
