use super::*;

/// The target of a line, split at single spaces.
fn of(line: &str) -> Target {
    let mut words = line.split(' ').map(OsString::from);
    let program = words.next().unwrap();
    Target::of(&program, &words.collect::<Vec<_>>())
}

/// `name | field=value …`, the fields in the Contract's order.
fn shown(target: &Target) -> String {
    let mut out = target.name.clone();
    let port = target.port.map(|p| p.to_string());
    for (name, value) in [
        ("user", &target.user),
        ("host", &target.host),
        ("port", &port),
        ("database", &target.database),
        ("context", &target.context),
        ("namespace", &target.namespace),
        ("pod", &target.pod),
        ("container", &target.container),
        ("cluster", &target.cluster),
        ("server", &target.server),
    ] {
        if let Some(value) = value {
            out.push_str(&format!(" {name}={value}"));
        }
    }
    out
}

fn all(kind: &str, cases: &[(&str, &str)]) {
    for (line, want) in cases {
        let target = of(line);
        assert_eq!((target.kind.as_str(), shown(&target).as_str()), (kind, *want), "{line}");
    }
}

#[test]
fn ssh() {
    all(
        "ssh",
        &[
            ("ssh prod-db1", "prod-db1 host=prod-db1"),
            ("/usr/bin/ssh prod-db1", "prod-db1 host=prod-db1"),
            ("ssh root@h uptime -p 5", "root@h user=root host=h"),
            ("ssh -p 22 -v host", "host host=host port=22"),
            ("ssh -p22 -tt host", "host host=host port=22"),
            ("ssh -vNTp 2222 h", "h host=h port=2222"),
            ("ssh -J bastion,b2 -i key -o StrictHostKeyChecking=no h", "h host=h"),
            ("ssh -L 80:x:80 -D 1080 -R 9 -W a:1 -w 0:0 -S none -E log h", "h host=h"),
            ("ssh -B eth0 -b 1.2.3.4 -c aes -e none -F f -I p -m mac -O check -Q q h", "h host=h"),
            ("ssh -P tag -46AaCfGgKkMnqsTtVvXxYyN h", "h host=h"),
            ("ssh -l a h", "a@h user=a host=h"),
            // The first of several holds: as `ssh -G` says.
            ("ssh -l a b@h", "a@h user=a host=h"),
            ("ssh b@h -l a", "b@h user=b host=h"),
            ("ssh -o User=c -l a h", "c@h user=c host=h"),
            ("ssh -oUser=c -oport=3 h", "c@h user=c host=h port=3"),
            ("ssh h -p 5 -l u ls -p 6", "u@h user=u host=h port=5"),
            ("ssh -- b@h -p 5", "b@h user=b host=h"),
            ("ssh ssh://u@h:2200/", "u@h user=u host=h port=2200"),
            ("ssh -p 1 ssh://u@h:2200", "u@h user=u host=h port=1"),
            ("ssh ssh://[2001:db8::1]:22", "2001:db8::1 host=2001:db8::1 port=22"),
            ("ssh u@2001:db8::1", "u@2001:db8::1 user=u host=2001:db8::1"),
            ("ssh me@corp@gateway", "me@corp@gateway user=me@corp host=gateway"),
            ("ssh me:secret@gateway", "me@gateway user=me host=gateway"),
            ("ssh ssh://me:secret@gateway", "me@gateway user=me host=gateway"),
            ("ssh -V", "ssh"),
            ("ssh", "ssh"),
            ("mosh --ssh=ssh -p 60001 u@h -- tmux", "u@h user=u host=h"),
            ("mosh -4 -- u@h tmux", "u@h user=u host=h"),
            ("sftp -P 22 -b batch u@h:/etc", "u@h user=u host=h port=22"),
            ("sftp sftp://u@h:22/etc", "u@h user=u host=h port=22"),
            ("scp -P 22 -r a b u@h:/tmp", "u@h user=u host=h port=22"),
            ("scp u@h:/etc/passwd ./a:b", "u@h user=u host=h"),
            ("scp a:x b:y", "b host=b"),
            ("scp [2001:db8::1]:x .", "2001:db8::1 host=2001:db8::1"),
            ("scp scp://u@h:22/x .", "u@h user=u host=h port=22"),
            ("scp a b", "scp"),
        ],
    );
}

#[test]
fn other_logins() {
    all(
        "telnet",
        &[
            ("telnet -l me host 2323", "host user=me host=host port=2323"),
            ("telnet host smtp", "host host=host"),
            ("telnet", "telnet"),
        ],
    );
    all(
        "user",
        &[
            ("sudo -u postgres psql -d shop", "postgres user=postgres"),
            ("sudo --user=alice -E -- bash -u bob", "alice user=alice"),
            ("sudo -nu alice id", "alice user=alice"),
            ("sudo -i", "sudo"),
            ("sudo PGPASSWORD=x psql", "sudo"),
            ("su - alice", "alice user=alice"),
            ("su -l alice -c id", "alice user=alice"),
            ("su", "su"),
            ("su -c alice", "su"),
            ("runuser -u alice -- id", "alice user=alice"),
            ("doas -u alice sh", "alice user=alice"),
        ],
    );
}

#[test]
fn postgres() {
    all(
        "postgresql",
        &[
            ("psql", "psql"),
            ("psql shop", "shop database=shop"),
            ("psql shop alice", "shop user=alice database=shop"),
            (
                "psql -h db1 -p 5433 -U alice -d shop",
                "db1/shop user=alice host=db1 port=5433 database=shop",
            ),
            ("psql -hdb1 -dshop -c password", "db1/shop host=db1 database=shop"),
            (
                "psql --host=db1 --dbname shop --username=alice",
                "db1/shop user=alice host=db1 database=shop",
            ),
            ("psql --hos=db1 --dbn=shop", "db1/shop host=db1 database=shop"),
            ("psql -d shop -f script.sql -v pw=hunter2 -qAt", "shop database=shop"),
            (
                "psql postgres://u:s3cret@h:5432/db?sslmode=require",
                "h/db user=u host=h port=5432 database=db",
            ),
            ("psql postgresql://u:s3@cr/et@h/db", "h/db user=u host=h database=db"),
            (
                "psql postgresql:///db?host=h&user=u&password=s3cret",
                "h/db user=u host=h database=db",
            ),
            ("psql -d postgres://u:s3cret@h/db -h x -U y", "h/db user=u host=h database=db"),
            ("psql -W -h h shop u", "h/shop user=u host=h database=shop"),
            ("psql host=a,b", "a,b host=a,b"),
            ("pg_dump -Fc -h h -f out.dump -t secrets shop", "h/shop host=h database=shop"),
            ("pg_restore -h h -d shop dump.file", "h/shop host=h database=shop"),
            ("createdb -O owner -h h shop comment", "h/shop host=h database=shop"),
            ("createuser -h h alice", "h host=h"),
        ],
    );
    let conninfo = |text: &str| shown(&Target::of("psql".as_ref(), &[text.into()]));
    assert_eq!(
        conninfo("host=h port=5433 dbname='my \\'db' user = u password='a b'"),
        "h/my 'db user=u host=h port=5433 database=my 'db"
    );
    assert_eq!(conninfo("password=a\\ host=x host=h"), "h host=h");
    assert_eq!(conninfo("service=prod passfile=/x"), "psql");
    assert_eq!(conninfo("password=s3cret"), "psql");
    assert_eq!(conninfo("postgres://u:p?w@h/db"), "psql");
}

#[test]
fn other_databases() {
    all(
        "mysql",
        &[
            (
                "mysql -h db1 -P 3307 -u root -ps3cret shop",
                "db1/shop user=root host=db1 port=3307 database=shop",
            ),
            (
                "mysql -uroot -hdb1 --password=s3cret -D shop",
                "db1/shop user=root host=db1 database=shop",
            ),
            // Not even MySQL's own users agree on what the last word is.
            ("mysql -h db1 -p s3cret", "db1 host=db1"),
            ("mysql -h db1 --password s3cret", "db1 host=db1"),
            ("mysql -p -h db1 shop", "db1/shop host=db1 database=shop"),
            ("mariadb shop -e select", "shop database=shop"),
            ("mycli mysql://u:s3cret@h:3306/db", "h/db user=u host=h port=3306 database=db"),
            ("mysqldump -h h --all-databases", "h host=h"),
        ],
    );
    all(
        "redis",
        &[
            (
                "redis-cli -h cache -p 6380 -a s3cret -n 2 GET x",
                "cache host=cache port=6380 database=2",
            ),
            ("redis-cli --user app --pass s3cret -h cache", "cache user=app host=cache"),
            (
                "redis-cli -u redis://app:s3cret@cache:6380/1",
                "cache user=app host=cache port=6380 database=1",
            ),
            ("redis-cli -u redis://s3cret@cache", "cache host=cache"),
            ("redis-cli --tls --cacert x SET k v", "redis-cli"),
        ],
    );
    all(
        "mongodb",
        &[
            (
                "mongosh mongodb://u:s3cret@h:27017/db?authSource=admin",
                "h/db user=u host=h port=27017 database=db",
            ),
            (
                "mongosh mongodb+srv://u:s3cret@c0.example.net/",
                "c0.example.net user=u host=c0.example.net",
            ),
            ("mongosh mongodb://u:s3cret@a:1,b:2/db", "a:1,b:2/db user=u host=a:1,b:2 database=db"),
            (
                "mongosh --host h --port 1 -u u -p s3cret db",
                "h/db user=u host=h port=1 database=db",
            ),
            ("mongosh -u u -ps3cret h/db", "h/db user=u host=h database=db"),
            ("mongosh h:27018", "h host=h port=27018"),
            ("mongosh db --eval 1", "db database=db"),
            ("mongosh", "mongosh"),
        ],
    );
    all(
        "sqlite",
        &[
            (
                "sqlite3 -header -cmd .mode /var/lib/app/shop.db select",
                "shop.db database=/var/lib/app/shop.db",
            ),
            ("sqlite3 --init x file:/a/b.db?key=s3cret", "b.db database=/a/b.db"),
            ("sqlite3 -A x.zip", "sqlite3"),
            ("sqlite3", "sqlite3"),
        ],
    );
}

#[test]
fn kubernetes() {
    all(
        "kubernetes",
        &[
            ("kubectl exec -it api-0 -- bash -c x", "api-0 pod=api-0"),
            (
                "kubectl --context prod -n shop exec -it api-0 -c app -- psql -n x",
                "shop/api-0 context=prod namespace=shop pod=api-0 container=app",
            ),
            (
                "kubectl exec deploy/api -n=shop -itc app -- sh",
                "shop/deploy/api namespace=shop pod=deploy/api container=app",
            ),
            ("kubectl exec -f pod.yaml -- sh", "kubectl"),
            ("kubectl logs -f -p api-0 app", "api-0 pod=api-0 container=app"),
            ("kubectl logs -f --tail 5 -l app=x -n shop", "shop namespace=shop"),
            ("kubectl attach -it api-0", "api-0 pod=api-0"),
            ("kubectl port-forward --address 0.0.0.0 svc/api 80:80", "svc/api pod=svc/api"),
            (
                "kubectl cp shop/api-0:/etc/x ./x -c app",
                "shop/api-0 namespace=shop pod=api-0 container=app",
            ),
            ("kubectl cp ./x api-0:/y", "api-0 pod=api-0"),
            ("kubectl debug -it api-0 --image busybox --target app", "api-0 pod=api-0"),
            ("kubectl --token s3cret --context=prod get pods", "prod context=prod"),
            ("kubectl --token=s3cret get secret x -o yaml", "kubectl"),
            ("kubectl create secret generic x --from-literal=a=s3cret", "kubectl"),
            ("kubectl -s https://u:s3cret@h:6443 get pods", "kubectl host=h port=6443"),
            ("oc rsh api-0", "api-0 pod=api-0"),
            ("kubectl", "kubectl"),
        ],
    );
}

#[test]
fn containers() {
    all(
        "container",
        &[
            (
                "docker exec -it -e TOKEN=s3cret -u root -w / web bash",
                "web user=root container=web",
            ),
            ("docker -H ssh://me@h:22 exec web sh", "web user=me host=h port=22 container=web"),
            ("docker --context prod container exec -it web sh", "web context=prod container=web"),
            ("docker compose -f c.yml exec --index 1 db psql", "db container=db"),
            (
                "docker run --rm -it --name x -e A=s3cret -v /a:/b --network host debian:12 bash",
                "x container=x",
            ),
            ("docker run --rm -it -p 80:80 --entrypoint sh debian:12 -c x", "debian:12"),
            ("docker run -d --restart always debian --name y", "debian"),
            ("podman attach web", "web container=web"),
            ("docker login -u me -p s3cret registry", "docker"),
            ("docker ps", "docker"),
        ],
    );
}

#[test]
fn other_programs_are_their_base_name() {
    all(
        "command",
        &[
            ("/bin/bash -c password", "bash"),
            ("-bash", "bash"),
            ("./deploy.sh --token=s3cret", "deploy.sh"),
            ("vim s3cret", "vim"),
        ],
    );
    for odd in ["", "/", "-", "--", "a/"] {
        assert!(!Target::of(odd.as_ref(), &[]).name.is_empty(), "{odd:?}");
    }
}

#[test]
fn a_secret_in_a_place_for_names_is_hidden() {
    for line in [
        "psql -h postgres://u:s3cret@h/db",
        "psql -h password=s3cret",
        "ssh -l u:s3cret h",
        "ssh http://u:s3cret@h",
        "telnet http://u:s3cret@h",
        "mysql postgres://u:s3cret@h/db",
        "mongosh http://u:s3cret@h/db",
        "mongosh --host mongodb://u:s3cret@h/db",
        "redis-cli -h redis://:s3cret@h",
        "sqlite3 postgres://u:s3cret@h/db",
        "kubectl exec https://u:s3cret@h",
        "docker exec --env-file x https://u:s3cret@h sh",
        "docker -H tcp://u:s3cret@h ps",
        "scp http://u:s3cret@h/x .",
    ] {
        let json = serde_json::to_string(&of(line)).unwrap();
        assert!(!json.contains("s3cret"), "{line}: {json}");
    }
}

#[test]
fn the_object_has_the_contract_s_fields_and_no_empty_ones() {
    let json = serde_json::to_value(of("ssh -p 22 root@h")).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"kind": "ssh", "name": "root@h", "user": "root", "host": "h", "port": 22})
    );
    let back: Target = serde_json::from_value(json).unwrap();
    assert_eq!(back, of("ssh -p 22 root@h"));
}

mod hostile {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt;

    const PROGRAMS: &[&str] = &[
        "ssh",
        "mosh",
        "sftp",
        "scp",
        "telnet",
        "sudo",
        "su",
        "psql",
        "pg_dump",
        "createdb",
        "mysql",
        "redis-cli",
        "mongosh",
        "sqlite3",
        "kubectl",
        "docker",
        "vim",
    ];

    proptest! {
        #[test]
        fn no_arguments_panic_or_grow(
            program in prop::sample::select(PROGRAMS),
            args in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..40),
                    "-{0,2}[a-zA-Z=:@/?é]{0,12}".prop_map(String::into_bytes),
                    "(ssh|postgres|redis)://[a:@/?#%\\[\\]é,]{0,12}".prop_map(String::into_bytes),
                ],
                0..12,
            ),
        ) {
            let args: Vec<OsString> = args.into_iter().map(OsString::from_vec).collect();
            let target = Target::of(program.as_ref(), &args);
            prop_assert!(!target.name.is_empty());
            prop_assert!(serde_json::to_string(&target).unwrap().len() < 20_000);
        }

        /// Wherever a password may stand that is not itself a name.
        #[test]
        fn no_password_is_in_a_target(password in "[A-Za-z0-9:@/!#%&=?+]{6,20}") {
            let password = format!("Zq{password}qZ");
            for (program, args) in [
                ("psql", vec![format!("postgres://u:{password}@h/db")]),
                ("psql", vec!["-d".into(), format!("host=h password={password} dbname=x")]),
                ("psql", vec![format!("postgres://h/db?password={password}")]),
                ("mysql", vec![format!("-p{password}"), "db".into()]),
                ("mysql", vec!["--password".into(), password.clone()]),
                ("mysql", vec![format!("--password={password}")]),
                ("redis-cli", vec!["-a".into(), password.clone(), "-h".into(), "h".into()]),
                ("redis-cli", vec!["-u".into(), format!("redis://:{password}@h")]),
                ("mongosh", vec![format!("mongodb://u:{password}@h/db")]),
                ("mongosh", vec!["-p".into(), password.clone()]),
                ("kubectl", vec!["--token".into(), password.clone(), "get".into(), "pods".into()]),
                ("docker", vec!["run".into(), "-e".into(), format!("P={password}"), "i".into()]),
                ("ssh", vec![format!("u:{password}@h")]),
            ] {
                let args: Vec<OsString> = args.into_iter().map(OsString::from).collect();
                let json = serde_json::to_string(&Target::of(program.as_ref(), &args)).unwrap();
                // Not even its tail.
                prop_assert!(!json.contains("qZ"), "{} {:?}: {}", program, args, json);
            }
        }
    }
}
