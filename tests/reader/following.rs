//! What is still being recorded there, and what comes of a connection that is
//! lost.

use std::fs;

use rustix::process::Signal;

use crate::far::{Far, said};
use crate::support::{Terminal, wait_until};

/// A session on the host that repeats what is typed.
fn session(far: &Far) -> Terminal {
    let mut terminal =
        Terminal::spawn(&far.host, &[crate::support::sandbox::HREC, "rec", "--", "cat"]);
    terminal.send("first line\r");
    terminal.expect("first line\r\nfirst line");
    terminal
}

fn shows(text: &str) -> impl Fn(&[String]) -> bool {
    let text = text.to_owned();
    move |lines: &[String]| lines.iter().any(|line| line.contains(&text))
}

#[test]
fn what_is_recorded_there_is_seen_here_as_it_comes() {
    let far = Far::start();
    let mut session = session(&far);
    let mut player = Terminal::spawn(
        &far.laptop,
        &[crate::support::sandbox::HREC, "play", "--follow", "ssh://box/"],
    );
    player.expect_screen("what there was", shows("first line"));
    for n in 0..5 {
        session.send(format!("line {n} of more\r"));
        player.expect_screen("what came", shows(&format!("line {n} of more")));
    }
    player.send("/line 3 of\r");
    player.expect_screen("what was looked for", shows("/line 3 of  1 of"));
    player.send("\x1b");
    // Its end, with what was last said.
    session.send("goodbye\r");
    session.expect("goodbye\r\ngoodbye");
    session.send("\x04");
    assert_eq!(session.wait(), 0);
    let id = far.ids().remove(0);
    // All of it comes, and takes the name that a whole one has.
    wait_until("the copy is whole", || {
        let copies = fs::read_dir(far.laptop.path("tmp")).unwrap().flatten();
        let name = format!("{id}.cast.zst.age");
        let mut days = copies.flat_map(|copy| {
            let date = format!("recordings/{}/{}/{}", &id[..4], &id[4..6], &id[6..8]);
            fs::read_dir(copy.path().join(date)).into_iter().flatten().flatten()
        });
        days.any(|file| file.file_name() == *name).then_some(())
    });
    player.send("\x1b[F");
    player.expect_screen("its end", shows("goodbye"));
    player.send("q");
    assert_eq!(player.wait(), 0);
    far.nothing_is_left();
    assert_eq!(far.views().len(), 1);
}

#[test]
fn a_live_one_can_be_read_and_checked_up_to_now() {
    let far = Far::start();
    let mut session = session(&far);
    wait_until("what was typed is kept", || {
        said(&far.hrec(&["cat", "--format", "raw", "ssh://box/-1"]))
            .contains("first line")
            .then_some(())
    });
    let listed = said(&far.hrec(&["ls", "ssh://box/"]));
    assert!(listed.lines().nth(1).unwrap().contains(" live "), "{listed}");
    let checked = far.hrec(&["verify", "--all", "ssh://box/"]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    assert!(said(&checked).contains("not-yet-sealed"), "{checked:?}");
    session.send("\x04");
    session.wait();
}

#[test]
fn a_lost_connection_leaves_what_came_and_says_the_rest() {
    let far = Far::start();
    let mut session = session(&far);
    let mut player = Terminal::spawn(
        &far.laptop,
        &[crate::support::sandbox::HREC, "play", "--follow", "ssh://box/-1"],
    );
    player.expect_screen("what there was", shows("first line"));
    // Whatever carries dies.
    let carriers = || {
        let all = far.laptop.hrec_processes();
        all.into_iter().filter(|process| {
            fs::read(format!("/proc/{}/cmdline", process.pid))
                .is_ok_and(|line| line.windows(8).any(|part| part == b"--reader"))
        })
    };
    wait_until("there is a carrier", || carriers().next().map(drop));
    carriers().for_each(|process| process.signal(Signal::KILL));
    session.send("not seen any more\r");
    session.expect("not seen any more\r\nnot seen any more");
    player.expect_screen("what has become of it", shows("the connection was lost"));
    player.send("q");
    player.expect("the connection was lost; what came until then is shown");
    player.wait();
    far.nothing_is_left();
    session.send("\x04");
    session.wait();
    // In the middle of a check: what was not looked at is not said to be bad.
    far.record("echo one");
    far.ssh(&format!("({}) | (dd bs=1 count=20000 2>/dev/null; kill -9 $$)", far.carrying()));
    far.record("head -c 60000 /dev/urandom | base64");
    let checked = far.hrec(&["verify", "--all", "ssh://box/"]);
    assert_eq!(checked.status.code(), Some(125), "{checked:?}");
    let text = said(&checked);
    assert!(text.contains("not-checked") && text.contains("the connection was lost"), "{text}");
    assert!(!text.contains("altered") && !text.contains("missing"), "{text}");
    let cut = far.hrec(&["cat", "ssh://box/-1"]);
    assert_eq!(cut.status.code(), Some(125));
    assert!(cut.stdout.is_empty() && said(&cut).contains("the connection was lost"), "{cut:?}");
    far.nothing_is_left();
}

#[test]
fn the_list_there_can_be_looked_through_and_nothing_is_left_after_a_kill() {
    let far = Far::start();
    far.record("echo the older one; sleep 0.01");
    far.record("echo the newer one; sleep 0.01");
    let hrec = crate::support::sandbox::HREC;
    let mut player = Terminal::spawn(&far.laptop, &[hrec, "play", "ssh://box/"]);
    player.expect_screen("the list, and why there are no previews", |lines| {
        lines.iter().any(|line| line.contains("Not shown: it is in a collector's store"))
    });
    assert!(far.views().is_empty());
    player.send("\r");
    player.expect_screen("the newest", shows("the newer one"));
    player.send("\x1b");
    player.expect_screen("the list again", shows("Not shown"));
    player.send("\x1b[B\r");
    player.expect_screen("the one before", shows("the older one"));
    assert_eq!(far.views().len(), 2);
    let hrecs = far.laptop.hrec_processes();
    hrecs.iter().for_each(|process| process.signal(Signal::KILL));
    player.wait();
    far.nothing_is_left();
}
