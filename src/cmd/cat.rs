//! `hrec cat`: a recording's content on standard output.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Result, bail};

use super::source::Source;
use crate::cli;
use crate::config::Config;
use crate::event::{Event, Header};
use crate::format::convert::{Converter, Format};
use crate::screen::Text;
use crate::timeline::{LineEnds, with_streams};

/// How much is gathered before it is written.
const WRITE: usize = 1 << 16;

/// Runs the verb.
///
/// # Errors
/// When the recording cannot be opened or read, or standard output not written.
pub fn run(args: &cli::Cat, config: &Config) -> Result<ExitCode> {
    if args.format == "raw" && std::io::stdout().is_terminal() && !args.force {
        bail!(
            "raw output can do to this terminal whatever the recorded program could; \
             redirect it, or use --format text, or insist with --force"
        );
    }
    let mut source = Source::open("cat", &args.rec, &args.identity, config)?;
    let mut out = super::out::out();
    let left_out = write(&mut source, &args.format, &mut out)?;
    out.flush()?;
    let mut err = std::io::stderr().lock();
    for remark in source.named_remarks() {
        let _ = writeln!(err, "hrec: {remark}");
    }
    if left_out > 0 {
        let _ =
            writeln!(err, "hrec: {left_out} bytes of output are in it by number and digest only");
    }
    Ok(if source.is_damaged() { ExitCode::from(super::FAILED) } else { ExitCode::SUCCESS })
}

/// One format's way to turn events into bytes.
enum Sink {
    Convert(Converter),
    Text(Box<Text>),
}

impl Sink {
    fn new(format: &str, header: &Header, out: &mut Vec<u8>) -> Self {
        let format = match format {
            "text" => return Self::Text(Box::new(Text::new(header.size))),
            "v2" => Format::V2,
            "v1" => Format::V1,
            "raw" => Format::Raw,
            "json" => Format::Json,
            _ => Format::V3,
        };
        let mut converter = Converter::new(format);
        converter.header(header, out);
        Self::Convert(converter)
    }

    fn event(&mut self, event: &Event, out: &mut Vec<u8>) {
        match self {
            Self::Convert(converter) => converter.event(event, out),
            Self::Text(text) => push_lines(text.event(event), out),
        }
    }

    fn finish(self, out: &mut Vec<u8>) {
        match self {
            Self::Convert(converter) => converter.finish(out),
            Self::Text(text) => push_lines(text.finish(), out),
        }
    }
}

fn push_lines(lines: Vec<String>, out: &mut Vec<u8>) {
    for line in lines {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

/// Writes all of it; returns how many bytes of output are not in the
/// recording.
fn write(source: &mut Source, format: &str, out: &mut impl Write) -> Result<u64> {
    let mut buffer = Vec::with_capacity(2 * WRITE);
    let mut sink = Sink::new(format, source.header(), &mut buffer);
    let line_ends = match format {
        // These hold the facts as they are.
        "v3" | "v2" | "json" => None,
        "raw" => Some(LineEnds::AsTheyWere),
        _ => Some(LineEnds::Terminal),
    };
    let Some(line_ends) = line_ends else {
        copy(source, &mut sink, &mut buffer, out)?;
        sink.finish(&mut buffer);
        out.write_all(&buffer)?;
        return Ok(0);
    };
    let mut events = with_streams(source, line_ends);
    copy(&mut events, &mut sink, &mut buffer, out)?;
    sink.finish(&mut buffer);
    out.write_all(&buffer)?;
    Ok(events.left_out())
}

/// What was read before an error is written, then the error returned.
fn copy(
    events: &mut impl Iterator<Item = Result<Event>>,
    sink: &mut Sink,
    buffer: &mut Vec<u8>,
    out: &mut impl Write,
) -> Result<()> {
    for event in events {
        match event {
            Ok(event) => sink.event(&event, buffer),
            Err(error) => {
                out.write_all(buffer)?;
                out.flush()?;
                return Err(error);
            }
        }
        if buffer.len() >= WRITE {
            out.write_all(buffer)?;
            buffer.clear();
        }
    }
    Ok(())
}
