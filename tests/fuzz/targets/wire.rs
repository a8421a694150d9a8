//! What a collector's peers say.

use hrec::format::wire::{self, Ack, Append, Decoder, Has, Hello, LONGEST, Refused, kind};

/// The same frames however the bytes are cut, and each that is JSON says the
/// same when it is written again.
pub fn wire(input: &[u8]) {
    let mut whole = Vec::new();
    let mut rest = input;
    let end = loop {
        match wire::read(&mut rest) {
            Ok(Some(frame)) => whole.push((frame.kind, frame.body)),
            Ok(None) | Err(wire::Error::Torn) => break true,
            Err(_) => break false,
        }
    };
    for most in [1, 5, 4096] {
        let mut decoder = Decoder::default();
        let (mut frames, mut good) = (Vec::new(), true);
        'pieces: for piece in input.chunks(most) {
            decoder.feed(piece);
            loop {
                match decoder.next_frame() {
                    Ok(Some((kind, body))) => frames.push((kind, body.to_vec())),
                    Ok(None) => break,
                    Err(_) => {
                        good = false;
                        break 'pieces;
                    }
                }
            }
        }
        assert_eq!((&frames, good), (&whole, end), "in pieces of {most} bytes");
    }
    for (kind, body) in whole {
        assert!(body.len() < LONGEST);
        if let Ok(append) = Append::parse(&body) {
            let mut again = Vec::new();
            append.put(&mut again);
            assert!(append.bytes.is_empty() || again.len() > append.bytes.len());
        }
        let frame = wire::Frame { kind, body };
        if let Ok(hello) = frame.json::<Hello>()
            && let Ok(again) = wire::json(kind::HELLO, &hello)
        {
            let again = wire::read(&mut again.as_slice()).unwrap().unwrap();
            assert_eq!(again.json::<Hello>().unwrap(), hello);
            let _ = hello.words::<wire::Begins>();
        }
        let _ = (frame.json::<Ack>(), frame.json::<Has>(), frame.json::<Refused>());
        let _ = (frame.json::<wire::End>(), frame.json::<wire::Done>(), frame.json::<wire::Stop>());
    }
}
