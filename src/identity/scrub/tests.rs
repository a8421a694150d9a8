use super::*;

fn of(words: &[&str]) -> String {
    let args: Vec<OsString> = words[1..].iter().map(OsString::from).collect();
    command_line(words[0].as_ref(), &args)
}

#[test]
fn a_uri_s_password_is_hidden() {
    assert_eq!(of(&["psql", "postgres://u:s3@cr/et@h/db"]), "psql postgres://u:***@h/db");
}
