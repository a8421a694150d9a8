use super::*;
use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Instant;

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn around<T>(
    environment: &[(&str, &str)],
    home: Option<&Path>,
    ask: impl FnOnce(&Surroundings<'_>) -> T,
) -> T {
    let environment: HashMap<&str, &str> = environment.iter().copied().collect();
    ask(&Surroundings {
        environment: &|name| environment.get(name).map(OsString::from),
        home: home.map(Path::to_owned),
        user: Some("alice".to_owned()),
        detach: &|command| _ = command.process_group(0),
    })
}

fn postgres(line: &str, environment: &[(&str, &str)], home: &Path) -> Option<Target> {
    let mut words = line.split(' ').map(OsString::from);
    let program = words.next().unwrap();
    let args: Vec<OsString> = words.collect();
    let typed = Target::of(&program, &args);
    around(environment, Some(home), |around| run(&program, &args, &typed, around))
}

fn shown(target: Option<Target>) -> String {
    let target = target.unwrap();
    let or = |field: Option<String>| field.unwrap_or_else(|| "-".to_owned());
    let port = target.port.map_or(0, u32::from);
    format!("{}@{}:{port}/{}", or(target.user), or(target.host), or(target.database))
}

#[test]
fn only_harmless_options_go_to_ssh() {
    let arguments = |line: &str| ssh::arguments(&words(line)).map(|a| a.join(" "));
    assert_eq!(
        arguments(
            "-v -E log -o ProxyCommand=evil -o LocalCommand=evil -oKnownHostsCommand=evil \
             -o PermitLocalCommand=yes -o HostName=x -F cfg -J j -i key -I lib.so -S sock -p 5 h evil"
        )
        .as_deref(),
        Some("-o HostName=x -F cfg -J j -p 5 -- h")
    );
    assert_eq!(arguments("u@h -p 5 evil -p 6").as_deref(), Some("u@h -p 5"));
    assert_eq!(arguments("-- -oProxyCommand=evil").as_deref(), Some("-- -oProxyCommand=evil"));
    assert_eq!(arguments("-Q cipher"), None);
    assert_eq!(arguments("-V"), None);
}

#[test]
fn what_scp_and_sftp_hand_on_to_ssh() {
    let arguments = |family, program: &str, line: &str| {
        let words = words(line);
        let args: Vec<OsString> = words.iter().map(OsString::from).collect();
        let typed = Target::of(program.as_ref(), &args);
        ssh::destination(family, &words, &typed).map(|a| a.join(" "))
    };
    let scp = "-F cfg -l 100 -P 22 -o ProxyCommand=evil -o HostName=x -J j -S evil a u@h:b";
    let want = "-F cfg -o HostName=x -J j -l u -p 22 -- h";
    assert_eq!(arguments(Family::Scp, "scp", scp).as_deref(), Some(want));
    assert_eq!(arguments(Family::Sftp, "sftp", "-b x -4 h:/b").as_deref(), Some("-4 -- h"));
    assert_eq!(arguments(Family::Mosh, "mosh", "--ssh=evil u@h").as_deref(), Some("-l u -- h"));
    assert_eq!(arguments(Family::Scp, "scp", "a b"), None);
}

#[test]
fn only_harmless_flags_go_to_kubectl() {
    let arguments = |line: &str| kubeconfig::arguments(&words(line))[5..].join(" ");
    assert_eq!(
        arguments(
            "--context prod -n shop --kubeconfig=k --token s3cret --password p -s https://h \
             exec -it pod --raw --user u -- sh --context x"
        ),
        "--context=prod --namespace=shop --kubeconfig=k --server=https://h --user=u"
    );
    assert_eq!(arguments("get pods --context --raw"), "--context=--raw");
}

#[test]
fn libpq_s_order_is_typed_then_service_then_environment_then_default() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pg_service.conf");
    std::fs::write(
        &file,
        "# mine\n[other]\nhost=wrong\n[prod]\nhost = db1.example.net\nport=5433\ndbname=shop\n\
         user=app\npassword=s3cret\nservice=other\n[after]\nhost=wrong\n",
    )
    .unwrap();
    let at = |line: &str, environment: &[(&str, &str)]| postgres(line, environment, home.path());
    assert_eq!(shown(at("psql", &[])), "alice@-:5432/alice");
    assert_eq!(shown(at("psql -U bob", &[])), "bob@-:5432/bob");
    assert_eq!(
        shown(at(
            "psql",
            &[("PGHOST", "h"), ("PGPORT", "6"), ("PGUSER", "u"), ("PGDATABASE", "d")]
        )),
        "u@h:6/d"
    );
    assert_eq!(
        shown(at("psql -h x shop", &[("PGHOST", "h"), ("PGUSER", "")])),
        "alice@x:5432/shop"
    );
    let prod = "app@db1.example.net:5433/shop";
    assert_eq!(shown(at("psql service=prod", &[("PGHOST", "h")])), prod);
    assert_eq!(shown(at("psql", &[("PGSERVICE", "prod")])), prod);
    assert_eq!(shown(at("psql postgres:///?service=prod", &[])), prod);
    assert_eq!(shown(at("psql -U me", &[("PGSERVICE", "prod")])), "me@db1.example.net:5433/shop");
    assert_eq!(shown(at("psql service=none", &[])), "alice@-:5432/alice");
    assert!(!format!("{:?}", at("psql service=prod", &[])).contains("s3cret"));

    let elsewhere = home.path().join("elsewhere.conf");
    std::fs::rename(&file, &elsewhere).unwrap();
    let path = elsewhere.to_str().unwrap();
    assert_eq!(shown(at("psql service=prod", &[("PGSERVICEFILE", path)])), prod);
    std::fs::rename(&elsewhere, home.path().join("pg_service.conf")).unwrap();
    let dir = home.path().to_str().unwrap();
    assert_eq!(shown(at("psql service=prod", &[("PGSYSCONFDIR", dir)])), prod);
    // Nor does a service file that is a directory or a device stop it.
    assert_eq!(
        shown(at("psql service=x", &[("PGSERVICEFILE", "/dev/zero")])),
        "alice@-:5432/alice"
    );
    // A dump of all databases goes to none.
    assert_eq!(shown(at("pg_dumpall -h h", &[])), "alice@h:5432/-");
}

#[test]
fn a_password_in_the_environment_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let environment = [("PGPASSWORD", "s3cret"), ("PGHOST", "postgres://u:s3cret@h")];
    let target = postgres("psql", &environment, home.path());
    assert!(!format!("{target:?}").contains("s3cret"));
}

#[test]
fn a_program_that_nothing_is_known_of_is_not_asked() {
    let typed = Target::of("vim".as_ref(), &[]);
    assert_eq!(around(&[], None, |around| run("vim".as_ref(), &[], &typed, around)), None);
}

fn ask(script: &str) -> Option<String> {
    around(&[], None, |around| helper::ask(Command::new("sh").args(["-c", script]), around))
}

#[test]
fn a_helper_has_neither_input_nor_much_output() {
    assert_eq!(ask("cat; echo done").as_deref(), Some("done\n"));
    assert_eq!(ask("echo x; exit 1"), None);
    assert_eq!(ask("exec cat /dev/zero"), None);
    assert_eq!(around(&[], None, |a| helper::ask(&mut Command::new("/no/such/program"), a)), None);
}

/// How long what must happen is waited for: a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn a_helper_that_hangs_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let start = Instant::now();
    let script = format!("sleep 600 & echo $! $$ > {}; trap '' TERM HUP; wait", pids.display());
    assert_eq!(ask(&script), None);
    let took = start.elapsed();
    assert!((TIME_MAX..PATIENCE).contains(&took), "{took:?}");
    for pid in std::fs::read_to_string(&pids).unwrap().split_whitespace() {
        // Gone, or a zombie that waits for whoever adopted it.
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.rsplit(')').next().unwrap().trim_start().starts_with(['Z', 'X'])
        };
        let until = Instant::now() + PATIENCE;
        while !gone() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(gone(), "{pid} lives on");
    }
}

/// A child in the background that keeps the output open, as an ssh master
/// does.
#[test]
fn a_helper_s_forgotten_child_costs_the_answer_but_no_more_time() {
    let start = Instant::now();
    assert_eq!(ask("echo x; sleep 600 &"), None);
    assert!(start.elapsed() < PATIENCE);
}
