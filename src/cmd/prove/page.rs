//! The page in the folder: each claim, and the stock command that checks it.
//!
//! Its invariant: every line that begins with `$` is a command that works in
//! the folder as it is, in a shell, with the tools that the page names.

use crate::screen::safe_text;
use crate::seal::manifest::Manifest;
use crate::seal::sshsig::{NAMESPACE, SshSig};

/// What the ledger proves.
const LEDGER: &str = "\
3. The ledger of the host that made it has its start and its end, with this manifest. The script, some 100 lines of
   shell to be read first, checks the signature of the ledger's head and the way from each entry to it:

$ sh check-ledger.sh

The entry of the start was in a signed head before the program ran; its session_key is the fingerprint that the
second command tells of a seal made by the session's own key. Hold checkpoint against what you or an anchor of
the host's (hrec-seal(7)) have from another time: a head that was handed on bounds when all that is before it was
written. A key that was replaced has valid-before in allowed_signers: it counts for a head whose entries here are all
of before that, since no head says when it was signed. That no later entry is about this recording, only the whole ledger shows: hrec verify --all, on the host.

";

/// What is said where it proves nothing.
const NO_LEDGER: &str = "\
No ledger is here: nothing in this folder shows that the recording was started when it says, by the recorder.

";

/// The text, for the manifest of this name.
pub(super) fn text(name: &str, manifest: &Manifest, sealed: &SshSig, in_ledger: bool) -> String {
    let certificate = sealed.key.certificate();
    let (session, who) = match certificate {
        Some(certificate) => (
            certificate.id == manifest.id,
            certificate.principals.first().cloned().unwrap_or_default(),
        ),
        None => (false, String::new()),
    };
    let time =
        if session { &manifest.start } else { manifest.end.as_ref().unwrap_or(&manifest.start) };
    let time = time.parse::<jiff::Timestamp>().map_or_else(
        |_| String::new(),
        |time| format!(" -Overify-time={}", time.strftime("%Y%m%d%H%M%SZ")),
    );
    let name = quoted(name);
    let mut page = format!(
        "What this folder proves, and how to check it without hrec\n\n\
         Recording  {id}\n\
         Program    {program}\n\
         Target     {target}\n\
         Start      {start}\n\
         End        {end}\n\
         Seal by    {who}{key}\n\n\
         The commands need a shell, ssh-keygen (OpenSSH 8.9 or later), jq and sha256sum{and}. Each must succeed.\n\n\
         1. The files are the ones that the manifest lists, byte for byte:\n\n\
         $ jq -r '.files[]|\"\\(.sha256)  \\(.name)\"' {name} | sha256sum -c\n\n\
         2. The manifest is the one that was sealed, by a key that allowed_signers names:\n\n\
         $ ssh-keygen -Y verify{time} -f allowed_signers -I \"$(ssh-keygen -Y find-principals{time} -f allowed_signers -s {name}.sig)\" -n {NAMESPACE} -s {name}.sig <{name}\n\n\
         Compare allowed_signers with what you got from the signer by another way: this copy of it comes from whoever\n\
         made the folder, and proves nothing by itself. The fingerprints of its keys:\n\n\
         $ grep -o '\\(ssh\\|sk-ssh\\|ecdsa\\|sk-ecdsa\\)-[^ ]* AAAA[^ ]*' allowed_signers | sort -u | ssh-keygen -l -f -\n\n",
        and = if in_ledger { ", and OpenSSL 3" } else { "" },
        id = safe_text(&manifest.id),
        program = safe_text(&manifest.program),
        target = safe_text(manifest.target_name()),
        start = safe_text(&manifest.start),
        end = safe_text(manifest.end.as_deref().unwrap_or("-")),
        who = if who.is_empty() { String::new() } else { format!("{}, key ", safe_text(&who)) },
        key = sealed.key.fingerprint(),
    );
    if session {
        page.push_str(
            "The key that signed was made for this session alone, certified by the key in allowed_signers, and wiped at the\n\
             end. The certificate names the session, in its key id:\n\n",
        );
        page.push_str(&format!(
            "$ n=$((0x$(sed '/^---/d' {name}.sig | base64 -d | od -An -v -tx1 -j 10 -N 4 | tr -d ' ')))\n\
             > {{ printf 'ssh-ed25519-cert-v01@openssh.com '\n\
             >   sed '/^---/d' {name}.sig | base64 -d | tail -c +15 | head -c $n | base64 -w 0; }} | ssh-keygen -L -f -\n\n"
        ));
    } else {
        page.push_str(
            "The long-lived key signed by itself: the seal is as good as that key is safe, up to today.\n\n",
        );
    }
    page.push_str(if in_ledger { LEDGER } else { NO_LEDGER });
    if !manifest.rekeyed.is_empty() {
        page.push_str(
            "It was encrypted to others after it was recorded. The manifests from before, with their seals, are here; which\n\
             file became which:\n\n",
        );
        page.push_str(&format!(
            "$ jq -r '.rekeyed[]|\"\\(.at)  \\(.from) -> \\(.to)  \\(.manifest)\"' {name}\n\n"
        ));
        page.push_str("That the content is the same is said by whoever encrypted it, and sealed with the above.\n\n");
    }
    page.push_str(
        "Whoever has a key that opens it can look inside with age, zstd and asciinema 3:\n\n    \
         age -d -i KEY *.cast.zst.age | zstd -d | asciinema play -\n",
    );
    page
}

/// A name as a shell would need it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,".contains(c);
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("./'{}'", name.replace('\'', r"'\''"))
}
