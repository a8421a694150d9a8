//! What a recording's output may do to a viewer: nothing.

use hrec::event::{Data, Event, TermSize};
use hrec::screen::{Keyframe, Keyframer, Model, Painter, Position, Text, push_final, safe_text};

use super::Choices;

/// Output and sizes; the screen is painted now and then.
pub fn screen(input: &[u8]) {
    let mut choices = Choices(input);
    let size = TermSize::clamped(u64::from(choices.byte() % 32), u64::from(choices.byte() % 16));
    let (mut model, mut text) = (Model::new(size), Text::new(size));
    let mut painter = Painter::new(TermSize::clamped(20, 6));
    let (mut lines, mut out) = (Vec::new(), Vec::new());
    while !choices.0.is_empty() {
        let kind = choices.byte();
        let data = match kind {
            0..=7 => Data::Resize(TermSize::clamped(
                u64::from(choices.byte() % 40),
                u64::from(choices.byte() % 20),
            )),
            _ => Data::Output(choices.bytes(usize::from(kind)).to_vec()),
        };
        let event = Event { time: 0, data };
        model.event(&event);
        lines.extend(text.event(&event));
        if kind % 4 == 0 {
            painter.paint(&model, &mut out);
        }
    }
    painter.paint(&model, &mut out);
    push_final(&model, 20, &mut out);
    lines.extend(text.finish());
    for line in lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    assert!(!safe_text(&String::from_utf8_lossy(input)).chars().any(char::is_control));
    viewer_is_safe(&String::from_utf8(out).expect("a viewer gets text"));
}

/// Bytes as a keyframe; and, as output, the state that a keyframer makes one of
/// against that of a terminal which was fed everything.
pub fn keyframe(input: &[u8]) {
    if let Ok(keyframe) = Keyframe::decode(input) {
        assert_eq!(keyframe.encode(), input, "one state, one encoding");
        // A screen of the largest size takes seconds; its bounds are tested
        // beside the code.
        if u32::from(keyframe.size.cols()) * u32::from(keyframe.size.rows()) < 100_000 {
            let _ = keyframe.restore();
        }
    }
    let mut choices = Choices(input);
    let size = TermSize::clamped(u64::from(choices.byte() % 32), u64::from(choices.byte() % 16));
    let (mut model, mut keyframer) = (Model::new(size), Keyframer::new(size));
    while !choices.0.is_empty() {
        let kind = choices.byte();
        let data = if kind < 8 {
            let size =
                TermSize::clamped(u64::from(choices.byte() % 40), u64::from(choices.byte() % 20));
            keyframer.resize(size);
            Data::Resize(size)
        } else {
            let bytes = choices.bytes(usize::from(kind));
            keyframer.output(bytes);
            Data::Output(bytes.to_vec())
        };
        model.event(&Event { time: 0, data });
        if kind % 8 == 0 {
            let position = Position { time: u64::from(kind), text: 1 << 40, event: 3 };
            let Some(keyframe) = keyframer.keyframe(position) else { continue };
            assert_eq!(Keyframe::decode(&keyframe.encode()).as_ref(), Ok(&keyframe));
            let restored = keyframe.restore();
            let (one, other) = (restored.terminal(), model.terminal());
            assert_eq!((one.size(), one.cursor()), (other.size(), other.cursor()));
            assert!(
                one.screen().visible_lines().eq(other.screen().visible_lines()),
                "another screen"
            );
            assert_eq!(one.dump(), other.dump());
        }
    }
}

/// Only `CSI … m`, `CSI … H`, `CSI … K`, `CSI … J` and the private modes that
/// hide and show the cursor; and the ends of lines.
fn viewer_is_safe(painted: &str) {
    let mut chars = painted.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                assert_eq!(chars.next(), Some('['));
                let mut parameters = String::new();
                let end = loop {
                    match chars.next().expect("a sequence that does not end") {
                        c @ ('0'..='9' | ';' | ':' | '?') => parameters.push(c),
                        c => break c,
                    }
                };
                let harmless = match end {
                    'm' | 'H' | 'K' | 'J' | 'X' | 'G' | 'd' => !parameters.contains('?'),
                    'h' | 'l' => parameters == "?25",
                    _ => false,
                };
                assert!(harmless, "CSI {parameters} {end}");
            }
            '\r' | '\n' => {}
            c => assert!(!c.is_control(), "{c:?}"),
        }
    }
}
