//! Real databases that ask for a password.

use std::process::{Child, Stdio};

use crate::case::{Case, in_each_mode, secret, type_line, type_shown};
use crate::support::postgres::Postgres;
use crate::support::{Sandbox, tool, wait_until};

fn psql(sandbox: &Sandbox, url: &str, sql: &str) -> String {
    let ran = sandbox.run(&["psql", "-X", url, "-qAt", "-v", "ON_ERROR_STOP=1"], sql.as_bytes());
    assert!(ran.status.success(), "{ran:?}");
    ran.text().trim().to_owned()
}

/// `\password`, then a login with it, then a wrong one at `\c`.
#[test]
fn psql_asks() {
    in_each_mode(|mode| {
        let case = Case::new(mode);
        let password = case.secret();
        let postgres = Postgres::start(&case.sandbox);
        let url = postgres.url();
        psql(&case.sandbox, &url, "create role clerk login");

        let mut terminal = case.record(&["psql", "-X", &url]);
        terminal.expect("postgres=# ");
        type_shown(&mut terminal, "\\password clerk");
        case.answer(&mut terminal, "Enter new password for user \"clerk\": ", &password);
        case.answer(&mut terminal, "Enter it again: ", &password);
        terminal.expect("postgres=# ");
        case.assert_hidden_live();
        type_shown(&mut terminal, "select 'the end' as t;");
        terminal.expect("(1 row)");
        type_line(&mut terminal, "\\q");
        assert_eq!(case.finish(terminal), 0);
        let typed = case.typed("-1");
        assert!(
            typed.contains("\\password clerk") && typed.contains("select 'the end'"),
            "{typed:?}\n{}",
            case.told().join("\n")
        );

        // From now on the server wants to know.
        let data = psql(&case.sandbox, &url, "show data_directory");
        let rule = "local all clerk,other scram-sha-256' || chr(10) || 'local all all trust";
        psql(
            &case.sandbox,
            &url,
            &format!(
                "copy (select unnest(string_to_array('{rule}', chr(10)))) to '{data}/pg_hba.conf'"
            ),
        );
        psql(&case.sandbox, &url, "select pg_reload_conf()");
        let clerk = url.replace("user=tester", "user=clerk");
        wait_until("the server asks for a password", || {
            let refused = case.sandbox.run(&["psql", "-X", "-w", &clerk, "-c", "select 1"], b"");
            (!refused.status.success()).then_some(())
        });
        let mut terminal = case.record(&["psql", "-X", &clerk]);
        case.answer(&mut terminal, "Password for user clerk: ", &password);
        terminal.expect("postgres=> ");
        case.assert_hidden_live();
        let wrong = case.secret();
        // Another connection, and psql asks in the middle of its session.
        psql(&case.sandbox, &url, "create role other login password 'unlike any that is typed'");
        terminal.send("\\c - other\r");
        case.answer(&mut terminal, "Password for user other: ", &wrong);
        terminal.expect("failed");
        terminal.expect("postgres=> ");
        type_line(&mut terminal, "\\q");
        case.finish(terminal);
    });
}

/// A real MariaDB, on a Unix socket only.
struct MariaDb {
    server: Child,
    socket: String,
}

impl MariaDb {
    fn start(sandbox: &Sandbox, password: &str) -> Self {
        let data = sandbox.path("mariadb").display().to_string();
        std::fs::create_dir(&data).expect("a directory");
        let socket = sandbox.path("mysql.sock").display().to_string();
        let user = crate::support::sshd::user();
        let made = sandbox.run(
            &[
                "mariadb-install-db",
                "--no-defaults",
                "--datadir",
                &data,
                "--user",
                &user,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            b"",
        );
        assert!(
            made.status.success(),
            "mariadb-install-db: {}\n{}",
            String::from_utf8_lossy(&made.stdout),
            String::from_utf8_lossy(&made.stderr)
        );
        let server = sandbox
            .command(tool("mariadbd"))
            .args(["--no-defaults", "--skip-networking", "--skip-log-bin", "--user", &user])
            .args(["--datadir", &data, "--socket", &socket])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mariadbd starts");
        let started = Self { server, socket };
        // Its digest, so that no log of the server has it either.
        let hash = sandbox.run(
            &["sh", "-c", "openssl dgst -sha1 -binary | openssl dgst -sha1 -r"],
            password.as_bytes(),
        );
        let hash = hash.text()[..40].to_uppercase();
        let sql = format!("create user teller@localhost identified by password '*{hash}'");
        wait_until("MariaDB takes connections", || {
            let asked = sandbox.run(
                &["mariadb", "--no-defaults", "-S", &started.socket, "-u", "root", "-e", &sql],
                b"",
            );
            asked.status.success().then_some(())
        });
        started
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn mysql_asks() {
    let password = secret();
    let machine = Sandbox::without_keys();
    let server = MariaDb::start(&machine, &password);
    in_each_mode(|mode| {
        let case = Case::new(mode);
        case.hide(&password);
        let mut terminal =
            case.record(&["mysql", "--no-defaults", "-S", &server.socket, "-u", "teller", "-p"]);
        case.answer(&mut terminal, "Enter password: ", &password);
        terminal.expect("> ");
        case.assert_hidden_live();
        type_shown(&mut terminal, "select 'the end';");
        terminal.expect("1 row in set");
        type_line(&mut terminal, "\\q");
        assert_eq!(case.finish(terminal), 0);
        assert!(case.typed("-1").contains("select 'the end'"), "{:?}", case.typed("-1"));
    });
}
