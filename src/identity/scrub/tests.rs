use super::*;

/// The scrubbed line of a command given word by word.
fn of(words: &[&str]) -> String {
    let args: Vec<OsString> = words[1..].iter().map(OsString::from).collect();
    command_line(words[0].as_ref(), &args)
}

/// A command whose words have no spaces, and what becomes of it.
fn all(cases: &[(&str, &str)]) {
    for (line, want) in cases {
        assert_eq!(of(&line.split(' ').collect::<Vec<_>>()), *want, "{line}");
    }
}

/// Lines that hold nothing secret come back as they are.
fn unchanged(lines: &[&str]) {
    for line in lines {
        assert_eq!(of(&line.split(' ').collect::<Vec<_>>()), *line);
    }
}

#[test]
fn plain_commands_are_unchanged() {
    unchanged(&[
        "ssh -p 22 -i /home/alice/.ssh/id_ed25519 root@prod-db1 uptime",
        "psql -h db1 -U alice -d shop --no-password",
        "psql postgres://alice@db1:5432/shop",
        "kubectl --context prod -n shop exec -it api-0 -c app -- bash",
        "mysql -h db1 -u root shop",
        "docker run --rm -it -v /a:/b -p 80:80 debian:12 bash",
        "git log --oneline v1.2..HEAD -- src/main.rs",
        "git clone https://github.com/example/repo.git",
        "curl -sS -o out https://example.net/a/b",
        "rsync -av --password-file=/etc/rsync.pw a/ b::c",
        "docker login --password-stdin registry.example.net",
        "vim /home/Alice/Projects2/ThingsToDoInTheVeryNearFuture/notes.txt",
        "tar cf - -C /usr/share/doc .",
        "date +%s",
        "redis-cli -h cache -p 6380 GET x",
        "make -j4 test",
    ]);
}

#[test]
fn words_are_quoted_for_a_shell() {
    assert_eq!(of(&["sh", "-c", "echo it's"]), r"sh -c 'echo it'\''s'");
    assert_eq!(of(&["a", "", "b c", "$x"]), "a '' 'b c' '$x'");
}

#[test]
fn uris() {
    all(&[
        ("psql postgres://u:s3cret@h/db", "psql postgres://u:***@h/db"),
        ("psql postgres://u:s3@cr/et@h/db", "psql postgres://u:***@h/db"),
        (
            "mongosh mongodb+srv://u:s3cret@c.example.net/x",
            "mongosh mongodb+srv://u:***@c.example.net/x",
        ),
        ("redis-cli -u redis://:s3cret@h:6379", "redis-cli -u redis://:***@h:6379"),
        ("redis-cli -u redis://s3cret@h", "redis-cli -u redis://***@h"),
        ("git clone https://s3cret@github.com/a/b", "git clone https://***@github.com/a/b"),
        (
            "git clone https://oauth2:s3cret@gitlab.com/a",
            "git clone https://oauth2:***@gitlab.com/a",
        ),
        ("curl ftp://u:s3cret@h/", "curl ftp://u:***@h/"),
        ("curl https://h/?x=se:cr@et", "curl https://***"),
        ("ssh ssh://u;x=s3cret@h", "ssh ssh://u@h"),
        ("x a://u:s3cret@h,b://v:s3cret@i", "x a://u:***@i"),
        ("amqp amqps://u:s3cret@h:5671/%2f", "amqp amqps://u:***@h:5671/%2f"),
        (
            "http_proxy=http://u:s3cret@proxy:3128 curl x",
            "http_proxy=http://u:***@proxy:3128 curl x",
        ),
        (
            "psql postgres://h/db?user=u&password=s3cret",
            "psql 'postgres://h/db?user=u&password=***'",
        ),
    ]);
}

#[test]
fn names_with_values() {
    all(&[
        ("x --password=s3cret", "x --password=***"),
        ("x --password s3cret y", "x --password *** y"),
        ("x -password s3cret", "x -password ***"),
        ("x --db-password s3cret", "x --db-password ***"),
        ("x --dbPassword=s3cret", "x --dbPassword=***"),
        ("x --token=s3cret", "x --token=***"),
        ("x --api-key s3cret", "x --api-key ***"),
        ("x --apiKey=s3cret", "x --apiKey=***"),
        ("x --client-secret s3cret", "x --client-secret ***"),
        ("x --secret-access-key=s3cret", "x --secret-access-key=***"),
        ("x --pass=s3cret", "x --pass=***"),
        ("x --auth s3cret", "x --auth ***"),
        ("x --password -s3cret", "x --password ***"),
        ("PGPASSWORD=s3cret psql", "PGPASSWORD=*** psql"),
        (
            "env MYSQL_PWD=s3cret REDISCLI_AUTH=s3cret A=b mysql",
            "env MYSQL_PWD=*** REDISCLI_AUTH=*** A=b mysql",
        ),
        (
            "env AWS_SECRET_ACCESS_KEY=s3cret DB_PASS=s3cret x",
            "env AWS_SECRET_ACCESS_KEY=*** DB_PASS=*** x",
        ),
        ("curl https://h/x?api_key=s3cret&y=1", "curl 'https://h/x?api_key=***'"),
        ("x pass:s3cret", "x pass:***"),
        ("x user[password]=s3cret", "x 'user[password]=***'"),
        ("x {\"password\":\"s3cret\",\"user\":\"u\"}", "x '{\"password\":***,\"user\":\"u\"}'"),
        ("x {\\\"password\\\":\\\"s3cret\\\"}", "x '{\\\"password\\\":***'"),
        ("ansible -e ansible_become_pass=s3cret", "ansible -e ansible_become_pass=***"),
    ]);
    let one = |word: &str| of(&["x", word]);
    assert_eq!(one("host=h password=s3cret user=u"), "x 'host=h password=*** user=u'");
    assert_eq!(one("host=h password = 's3 c\\'ret' user=u"), "x 'host=h password = *** user=u'");
    assert_eq!(one("password=s3\\ cret user=u"), "x 'password=*** user=u'");
    assert_eq!(
        one("ALTER ROLE u PASSWORD 's3''cret' LOGIN"),
        "x 'ALTER ROLE u PASSWORD *** LOGIN'"
    );
    assert_eq!(one("CREATE USER u IDENTIFIED BY 's3cret'"), "x 'CREATE USER u IDENTIFIED BY ***'");
    assert_eq!(
        one("CREATE USER u IDENTIFIED WITH mysql_native_password AS 's3cret'"),
        "x 'CREATE USER u IDENTIFIED WITH mysql_native_password AS ***'"
    );
    assert_eq!(one("SELECT 'x' AS y FROM keys"), r"x 'SELECT '\''x'\'' AS y FROM keys'");
}

#[test]
fn headers() {
    let curl = |header: &str| of(&["curl", "-H", header, "h"]);
    assert_eq!(curl("Authorization: Bearer s3 cret"), "curl -H 'Authorization: ***' h");
    assert_eq!(curl("X-Vendor-Thing: s3cret"), "curl -H 'X-Vendor-Thing: ***' h");
    assert_eq!(curl("Cookie: a=b; c=d"), "curl -H 'Cookie: ***' h");
    assert_eq!(curl("Accept: text/html"), "curl -H 'Accept: text/html' h");
    assert_eq!(curl("Accept: password=s3cret"), "curl -H 'Accept: password=***' h");
    assert_eq!(of(&["curl", "-HX-Token: s3cret"]), "curl -HX-Token:***");
    assert_eq!(of(&["curl", "--header=X-Token: s3cret"]), "curl '--header=X-Token: ***'");
    assert_eq!(of(&["x", "--header", "X-Thing: s3cret"]), "x --header 'X-Thing: ***'");
    assert_eq!(of(&["x", "Authorization: Basic s3 cret"]), "x 'Authorization: ***'");
    assert_eq!(of(&["x", "say Bearer s3cret now"]), "x 'say Bearer *** now'");
}

#[test]
fn programs() {
    all(&[
        ("mysql -ps3cret -u root db", "mysql -p*** -u root db"),
        ("mysql -u root -p s3cret", "mysql -u root -p ***"),
        ("mysql -p -h db1 shop", "mysql -p -h db1 shop"),
        ("mysql -uroot -hprod --password s3cret", "mysql -uroot -hprod --password ***"),
        ("mysql -Bps3cret", "mysql -Bp***"),
        ("mysqladmin -u root password s3cret", "mysqladmin -u root password ***"),
        ("curl -u u:s3cret h", "curl -u *** h"),
        ("curl -su u:s3cret h", "curl -su *** h"),
        ("curl -uu:s3cret h", "curl -u*** h"),
        ("curl --user u:s3cret --data-raw x=s3cret h", "curl --user *** --data-raw *** h"),
        ("curl -sS -d s3cret -b s3cret h", "curl -sS -d *** -b *** h"),
        ("wget --http-password=s3cret h", "wget --http-password=*** h"),
        ("redis-cli -a s3cret -h h", "redis-cli -a *** -h h"),
        ("redis-cli -h h AUTH u s3cret", "redis-cli -h h AUTH *** ***"),
        ("sshpass -p s3cret ssh h", "sshpass -p *** ssh h"),
        ("sshpass -ps3cret ssh h", "sshpass -p*** ssh h"),
        ("docker run -e A=s3cret -it x", "docker run -e A=*** -it x"),
        (
            "docker run --env=A=s3cret --build-arg B=s3cret x",
            "docker run --env=A=*** --build-arg B=*** x",
        ),
        ("docker login -u me -p s3cret r", "docker login -u me -p *** r"),
        ("docker run -e A x", "docker run -e A x"),
        (
            "kubectl create secret generic x --from-literal=a=s3cret",
            "kubectl create secret generic x --from-literal=a=***",
        ),
        (
            "kubectl create secret generic x --from-literal a=s3cret",
            "kubectl create secret generic x --from-literal a=***",
        ),
        ("kubectl --token s3cret get pods", "kubectl --token *** get pods"),
        ("helm upgrade x --set db.password=s3cret", "helm upgrade x --set db.password=***"),
        ("vault kv put secret/x value=s3cret", "vault kv put secret/x value=***"),
        ("vault login s3cret", "vault login ***"),
        ("openssl enc -k s3cret -in f", "openssl enc -k *** -in f"),
        ("openssl rsa -passin pass:s3cret", "openssl rsa -passin ***"),
        ("ldapsearch -x -D cn=admin -w s3cret", "ldapsearch -x -D cn=admin -w ***"),
        ("smbclient -U u%s3cret //h/x", "smbclient -U *** //h/x"),
        ("sqlcmd -S h -U sa -P s3cret", "sqlcmd -S h -U sa -P ***"),
        ("sqlplus u/s3cret@h", "sqlplus ***"),
        ("htpasswd -b file u s3cret", "htpasswd *** *** *** ***"),
        (
            "aws configure set aws_secret_access_key s3cret",
            "aws configure set aws_secret_access_key ***",
        ),
        ("xfreerdp /u:me /p:s3cret /v:h", "xfreerdp /u:me /p:*** /v:h"),
        ("snmpwalk -v2c -c s3cret h", "snmpwalk -v2c -c *** h"),
    ]);
}

#[test]
fn programs_inside_of_others() {
    all(&[
        ("sudo -u x mysql -ps3cret", "sudo -u x mysql -p***"),
        ("kubectl exec api-0 -- redis-cli -a s3cret", "kubectl exec api-0 -- redis-cli -a ***"),
        ("docker exec db mysql -uroot -ps3cret", "docker exec db mysql -uroot -p***"),
        ("/usr/bin/mysql -ps3cret", "/usr/bin/mysql -p***"),
    ]);
    let sh = |text: &str| of(&["sh", "-c", text]);
    assert_eq!(sh("mysql -ps3cret < x"), "sh -c 'mysql -p*** < x'");
    assert_eq!(sh("mysql -p's3 cret' db | cat"), "sh -c 'mysql -p*** db | cat'");
    assert_eq!(sh("cat x|mysql -ps3cret;id"), "sh -c 'cat x|mysql -p***;id'");
    assert_eq!(sh("a --password s3cret b"), "sh -c 'a --password *** b'");
    assert_eq!(sh("a --password 's3 cret' b"), "sh -c 'a --password *** b'");
    assert_eq!(
        sh("curl -H 'Authorization: Bearer s3 cret' h"),
        r"sh -c 'curl -H '\''Authorization: ***'\'' h'"
    );
    assert_eq!(sh(r#"ssh h "mysql -p's3 cret' db""#), r#"sh -c 'ssh h '\''mysql -p*** db'\'''"#);
    assert_eq!(sh("PGPASSWORD='s3 cret' psql -h h"), "sh -c 'PGPASSWORD=*** psql -h h'");
}

/// Made up, in the shape of the real ones, and cut in two so that no scanner
/// of source code takes them for such.
#[test]
fn shapes_and_guesses() {
    for (begin, rest) in [
        ("AKI", "AIOSFODNN7EXAMPLE"),
        ("gh", "p_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("glp", "at-abcdefghijklmnopqrst"),
        ("xo", "xb-123456789012-abcdefghijkl"),
        ("sk-", "ant-api03-abcdefghijklmnop"),
        ("ey", "JhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_ghi"),
        ("AGE-SECRET", "-KEY-1QQPQYQSQYQSQYQSQYQSQYQSQYQSQYQ"),
        ("hv", "s.abcdefghijklmnopqrstuvwx"),
    ] {
        let key = format!("{begin}{rest}");
        assert_eq!(of(&["x", &key]), "x ***");
        assert_eq!(word(&key), "***");
        assert_eq!(word(&format!("a:{key},b")), "a:***,b");
    }
    assert_eq!(word("-----BEGIN OPENSSH PRIVATE KEY-----\nabc"), "***");
    // What only looks random is left in a name, but not in a command line.
    let hex = "0123456789abcdef0123456789abcdef";
    assert_eq!(word(hex), hex);
    assert_eq!(of(&["x", hex]), "x ***");
    assert_eq!(of(&["x", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]), "x ***");
    assert_eq!(of(&["x", "q=Abcdefghijklmnop0123456789ABCDEFG"]), "x q=***");
}

#[test]
fn words_as_a_shell_splits_them() {
    let words = |text| text::shell_words(text).into_iter().map(|s| s.word).collect::<Vec<_>>();
    assert_eq!(words("a 'b c'd \"e\\\"f\" g\\ h|i;j"), ["a", "b cd", "e\"f", "g h", "i", "j"]);
    assert_eq!(words("'never closed x"), ["never closed x"]);
    assert_eq!(words(" '' é\\"), ["", "é"]);
}

#[test]
fn a_very_long_line_is_bounded() {
    let args: Vec<OsString> = (0..2000).map(|_| OsString::from("x".repeat(50))).collect();
    let line = command_line("echo".as_ref(), &args);
    assert!(line.len() < 30_000 && line.ends_with(" …"));
    // A cut word loses its tail, and with it whatever the tail holds.
    let word = format!("{} --password=s3cret", "x".repeat(5000));
    assert!(!of(&["x", &word]).contains("s3cret"));
}

mod hostile {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt;

    proptest! {
        #[test]
        fn nothing_panics(
            args in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..40),
                    "(mysql|curl|docker|sh)".prop_map(String::into_bytes),
                    "-{0,2}(password|u|H|e|token|a)[=: é'\"\\\\]{0,3}[a-z '\"\\\\é@:/]{0,12}".prop_map(String::into_bytes),
                    "[a-z '\"\\\\é@:/?=&;|]{0,40}".prop_map(String::into_bytes),
                ],
                0..8,
            ),
        ) {
            let args: Vec<OsString> = args.into_iter().map(OsString::from_vec).collect();
            let line = command_line("x".as_ref(), &args);
            prop_assert!(line.starts_with('x'));
        }

        /// Any password without white space, in each place a password stands.
        #[test]
        fn no_password_survives(password in "[A-Za-z0-9:@/!#%&=?+,;|$(){}<>*~'\"\\\\^.-]{1,20}") {
            let password = format!("Zq{password}qZ");
            for words in [
                vec!["psql", &format!("postgres://u:{password}@h/db")],
                vec!["psql", &format!("postgres://h/db?password={}", password.replace(['\'', '"', '\\'], ""))],
                vec!["mysql", &format!("-p{password}")],
                vec!["mysql", &format!("--password={password}")],
                vec!["x", "--password", &password],
                vec!["x", &format!("--api-token={password}")],
                vec!["curl", "-u", &format!("u:{password}")],
                vec!["curl", "-H", &format!("Authorization: Bearer {password}")],
                vec!["docker", "run", "-e", &format!("A={password}")],
                vec!["env", &format!("PGPASSWORD={}", password.replace(['\'', '"', '\\'], "")), "psql"],
            ] {
                let line = of(&words);
                prop_assert!(!line.contains("qZ"), "{:?}: {}", words, line);
            }
        }

        /// The same, quoted for a shell, in a command inside of another.
        #[test]
        fn no_quoted_password_survives(password in "[A-Za-z0-9 :@/!#%&=?+,;|$(){}<>*~\"^.-]{1,20}") {
            let password = format!("Zq{password}qZ");
            for text in [
                format!("mysql -p'{password}' db"),
                format!("mysql --password='{password}' db"),
                format!("a; x --password '{password}' db"),
                format!("curl -u 'u:{password}' h"),
                format!("PGPASSWORD='{password}' psql"),
            ] {
                let line = of(&["sh", "-c", &text]);
                prop_assert!(!line.contains("qZ"), "{}: {}", text, line);
            }
        }

        #[test]
        fn text_without_names_or_colons_is_unchanged(text in "[b-jl-np-z /]{0,31}") {
            prop_assert_eq!(word(&text), text);
        }
    }
}
