//! Signals to a session without a terminal, to hrec alone and to its process
//! group: it ends, stops and goes on as the real shell does.

use crate::bastion::Bastion;

/// Runs a script in alice's session, `@` in it once the real shell, once hrec.
fn same(bastion: &Bastion, script: &str) -> String {
    let shell = bastion.sandbox.path("bin/hrec-shell").display().to_string();
    let run = |program: &str| {
        let script = script.replace('@', program);
        bastion.write("alice", "script", format!("rm -f ready go fifo; set -m\n{script}\n"));
        let ran = bastion.ssh("alice", "exec 2>&-; timeout 60 bash script", b"");
        ran.text()
    };
    let (with, alone) = (run(&shell), run("/bin/bash"));
    assert_eq!(with, alone, "{script}");
    with
}

#[test]
fn a_signal_ends_the_session_as_it_ends_the_shell() {
    let bastion = Bastion::start();
    for signal in ["USR1", "USR2", "ALRM", "PIPE", "INT", "TERM", "HUP", "IO"] {
        for whom in ["$p", "-$p"] {
            let script = format!(
                "@ -c 'touch ready; exec sleep 20' & p=$!\n\
                 until [ -e ready ]; do sleep 0.05; done; sleep 0.2\n\
                 kill -s {signal} -- {whom}; wait $p; echo $?"
            );
            let ended = same(&bastion, &script);
            assert!(ended.trim().parse::<i32>().is_ok_and(|status| status > 128), "{ended}");
        }
    }
    // And the record has its end.
    let manifests = bastion.manifests("alice");
    assert!(manifests.iter().all(|manifest| manifest["state"] == "finished"), "{manifests:#?}");
}

#[test]
fn a_session_that_was_stopped_goes_on() {
    let bastion = Bastion::start();
    for (stopped, continued) in [("$p", "$p"), ("-$p", "$p"), ("-$p", "-$p"), ("$p", "-$p")] {
        let script = format!(
            "mkfifo fifo\n\
             @ -c 'touch ready; until [ -e go ]; do read -t 0.05 x <> fifo; done; echo went on; exit 5' & p=$!\n\
             until [ -e ready ]; do sleep 0.05; done\n\
             kill -s TSTP -- {stopped}\n\
             until [[ $(cut -d ' ' -f 3 /proc/$p/stat) == T ]]; do sleep 0.05; done; sleep 0.2\n\
             kill -s CONT -- {continued}; touch go\n\
             until [[ ! -e /proc/$p/stat || $(cut -d ' ' -f 3 /proc/$p/stat) == Z ]]; do sleep 0.05; done\n\
             wait $p; echo $?"
        );
        assert_eq!(same(&bastion, &script), "went on\n5\n", "{stopped} {continued}");
    }
}
