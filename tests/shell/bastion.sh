#!/usr/bin/env bash
# A host whose people have hrec as their login shell, in namespaces of its own:
# nothing of the machine's /etc is changed, and all its processes end with it.
# Called by unshare --mount --pid --fork --kill-child --mount-proc; arguments:
# a directory, hrec, the port, a recipient, what is added to config.toml, and
# how it is set up: "page" (as hrec-bastion(7) has it by hand), "broken" (so,
# and then wrongly), "installer" (by install.sh --bastion).
set -euo pipefail
base=$1 hrec=$2 port=$3 recipient=$4 config=$5 how=$6
tests=${BASH_SOURCE[0]%/*}/..
page=$tests/../man/hrec-bastion.7
. "$tests/support/host.sh"
private_host

by_hand() {
    # By their shell alone; by a forced command too; by the link's name; by the
    # configuration; without hrec; and one with a shell that reads a file first.
    person alice 64101 /bin/bash
    person bob 64102 "$base/bin/hrec-shell"
    person zoe 64103 "$base/bin/hrec-shell-zsh"
    person dan 64104 "$base/bin/hrec-shell"
    person carol 64105 /bin/bash
    person rescue 64106 "$base/bin/hrec-shell"
    person eve 64107 /bin/bash
    # To the letter but for two places and a number.
    (
        mkdir "$base/unpacked"
        cd "$base/unpacked"
        cp "$hrec" hrec
        rmdir "$base/store"
        sed -n '/^\.Ss Setting it up by hand/,/^\.Ed/p' "$page" | sed -e '1,/^\.Bd/d' -e '/^\.Ed/d' -e 's/\\(aq/'"'/g" \
            -e 's/^groupadd/& --gid 64100/' -e "s#/usr/bin#$base/bin#g" -e "s#/var/lib/hrec#$base/store#g" >commands
        sed -i "s#^ln -s hrec #cd $base/bin; &#" commands
        sed -i "s#^install -d #cd $base/unpacked; &#" commands
        set -x
        . ./commands
    )
    ln -s hrec "$base/bin/hrec-shell-zsh"
    echo "$base/bin/hrec-shell-zsh" >>/etc/shells
    cat >/etc/hrec/config.toml <<TOML
locked = ["*"]
[record]
mode = "strict"
recipients = ["$recipient"]
rescue_users = ["rescue"]
[store]
path = "$base/store"
min_free = "1MiB"
[seal]
key = "/etc/hrec/signing_key"
$config
TOML
}

# The same people as they were before, and what the installer makes of them.
by_installer() {
    person alice 64101 /bin/bash
    person bob 64102 /bin/bash
    person zoe 64103 /bin/zsh
    person dan 64104 /bin/bash
    person carol 64105 /bin/bash
    person rescue 64106 /bin/bash
    person eve 64107 /bin/bash
    echo "people:x:64200:alice,bob,zoe,dan,rescue" >>/etc/group
    mkdir /var/lib/hrec
    mount --bind "$base/store" /var/lib/hrec
    "$tests/../install.sh" --bastion --without-collector --recipient "$recipient" --group people \
        --prefix "$base" --binary "$hrec"
    sed -i -e 's/^# rescue_users = .*/rescue_users = ["rescue"]/' \
        -e "s#^path = .*#path = \"$base/store\"\nmin_free = \"1MiB\"#" /etc/hrec/config.toml
    printf '%s\n' "$config" >>/etc/hrec/config.toml
}

# What a distribution has there, and what makes it a test's.
sshd_config() {
    cat >/etc/ssh/sshd_config <<SSHD
Include /etc/ssh/sshd_config.d/*.conf
ListenAddress 127.0.0.1:$port
HostKey $base/work/host_key
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PrintMotd no
PrintLastLog no
MaxStartups 500:30:1000
MaxSessions 100
AcceptEnv LANG LC_* TRIED_*
SSHD
}
rm -f /etc/ssh/sshd_config.d/*.conf
sshd_config
if [[ $how == installer ]]; then
    # Both are the installer's to close.
    echo "X11Forwarding yes" >>/etc/ssh/sshd_config
    echo "Subsystem sftp internal-sftp" >>/etc/ssh/sshd_config
    by_installer
else
    by_hand
    cat >>/etc/ssh/sshd_config <<SSHD
ExposeAuthInfo yes
DisableForwarding yes
AllowAgentForwarding no
PermitUserRC no
Subsystem sftp /usr/lib/openssh/sftp-server
Match User bob,eve
    ForceCommand $base/bin/hrec shell
SSHD
fi
if [[ $how == broken ]]; then
    chmod 755 "$base/bin/hrec"
    chmod 777 "$base/store"
    chmod 775 /etc/hrec
    sed -i /hrec/d /etc/shells
    sed -i '/^recipients/d' /etc/hrec/config.toml
    cp "$base/config/hrec/identity.txt" /etc/hrec/identity.txt
    rm /etc/hrec/ledger_key
    chgrp root /etc/hrec/signing_key
    sed -i 1d /etc/hrec/allowed_signers
    sed -i -e 's/^AcceptEnv.*/AcceptEnv */' -e 's/^Subsystem.*/Subsystem sftp internal-sftp/' \
        -e '/^DisableForwarding\|^AllowAgent\|^PermitUserRC/d' \
        -e '1i PermitUserEnvironment yes' -e '1i X11Forwarding yes' /etc/ssh/sshd_config
    sed -i 's/^Match User bob,eve/Match User bob\n    ForceCommand internal-sftp\nMatch User eve/' /etc/ssh/sshd_config
fi
# What the host's root would be told.
{ "$base/bin/hrec" doctor --bastion --json || :; } >"$base/doctor.json"
/usr/sbin/sshd -D -e &
wait $!
