#!/usr/bin/env bash
# A host whose people have hrec as their login shell, in namespaces of its own:
# nothing of the machine's /etc is changed, and all its processes end with it.
# Called by unshare --mount --pid --fork --kill-child --mount-proc; arguments:
# a directory, hrec, the port, a recipient, what is added to config.toml, and
# how it is set up: "page" (as hrec-bastion(7) has it by hand), "hand" (with a
# collector as well), "pam" (as "page", with a sshd that asks PAM), "broken" (so, and
# then wrongly), "installer" (by install.sh --bastion), "small" (so, on a small
# disk), "alone" (so, without a collector).
set -euo pipefail
base=$1 hrec=$2 port=$3 recipient=$4 config=$5 how=$6
tests=${BASH_SOURCE[0]%/*}/..
page=$tests/../man/hrec-bastion.7
. "$tests/support/host.sh"
private_host

# Devices of its own, with somebody who keeps what syslog(3) is told.
own_devices() {
    mkdir "$base/dev"
    mount -t tmpfs -o mode=755 none "$base/dev"
    local node n
    for node in null zero full random urandom tty; do
        : >"$base/dev/$node"
        mount --bind "/dev/$node" "$base/dev/$node"
    done
    mkdir "$base/dev/pts" "$base/dev/shm"
    mount --rbind /dev/shm "$base/dev/shm"
    mount --rbind /dev/pts "$base/dev/pts"
    ln -s pts/ptmx "$base/dev/ptmx"
    ln -s /proc/self/fd "$base/dev/fd"
    for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%:*}" "$base/dev/${n#*:}"; done
    mount --rbind "$base/dev" /dev
    python3 -c '
import os, socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
os.chmod("/dev/log", 0o666)
with open(sys.argv[1], "ab", buffering=0) as file:
    while True:
        file.write(log.recv(65536) + b"\n")
' "$base/syslog" &
    until [[ -S /dev/log ]]; do sleep 0.02; done
}

# A message of the day, a variable and a limit that PAM gives.
by_pam() {
    sed -i -e 's/^UsePAM no/UsePAM yes/' /etc/ssh/sshd_config
    echo 'FROM_PAM="two words"' >/etc/hrec-test.env
    echo '* soft nofile 321' >/etc/hrec-test.limits
    echo 'a message of the day' >/etc/hrec-test.motd
    cat >/etc/pam.d/sshd <<'PAM'
account required pam_unix.so
session required pam_env.so envfile=/etc/hrec-test.env user_readenv=0
session required pam_limits.so conf=/etc/hrec-test.limits
session required pam_motd.so motd=/etc/hrec-test.motd
PAM
}

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
    mkdir "$base/unpacked"
    cp "$hrec" "$base/unpacked/hrec"
    rmdir "$base/store"
    (
        set -x
        as_the_page_says "Setting it up by hand"
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

# The commands below a heading, to the letter but for two places and a number.
as_the_page_says() {
    sed -n "/^\.Ss $1/,/^\.Ed/p" "$page" | sed -e '1,/^\.Bd/d' -e '/^\.Ed/d' -e "s/\\\\(aq/'/g" -e 's/\\e$/\\/' \
        -e 's/^groupadd/& --gid 64100/' -e "s#/usr/bin#$base/bin#g" -e "s#/var/lib/hrec#$base/store#g" >"$base/commands"
    sed -i -e "s#^ln -s hrec #cd $base/bin; &#" -e "s#^install -d #cd $base/unpacked; &#" "$base/commands"
    cd "$base/unpacked"
    . "$base/commands"
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
    # One whose disk can be filled.
    if [[ $how == small ]]; then
        mount -t tmpfs -o size=24m none "$base/store"
    fi
    mount --bind "$base/store" /var/lib/hrec
    local options=(--recipient "$recipient" --group people --prefix "$base" --binary "$hrec")
    [[ $how != alone ]] || options+=(--without-collector)
    "$tests/../install.sh" --bastion "${options[@]}"
    sed -i -e 's/^# rescue_users = .*/rescue_users = ["rescue"]/' \
        -e "s#^path = .*#path = \"$base/store\"\nmin_free = \"1MiB\"#" /etc/hrec/config.toml
    printf '%s\n' "$config" >>/etc/hrec/config.toml
    if [[ $how != alone ]]; then
        collector &
        until [[ -S /run/hrec/collect.sock ]]; do sleep 0.05; done
        "$tests/../install.sh" --bastion "${options[@]}"
    fi
}

# And with a collector, as the page has that.
collector_by_hand() {
    sed -i 's#^path = .*#&\ncollector = "/run/hrec/collect.sock"#' /etc/hrec/config.toml
    (as_the_page_says "A collector by hand") 2>>"$base/collect.log"
    until [[ -S /run/hrec/collect.sock ]]; do sleep 0.05; done
}

# In systemd's place: starts it again whenever it ends, while it may.
collector() {
    while :; do
        if [[ ! -e $base/no-collector ]]; then
            setpriv --reuid hrec --regid hrec --clear-groups --reset-env --inh-caps +kill --ambient-caps +kill "$base/bin/hrec" collect 2>>"$base/collect.log" || :
        fi
        sleep 0.1
    done
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
own_devices
rm -f /etc/ssh/sshd_config.d/*.conf
sshd_config
if [[ $how == @(installer|small|alone) ]]; then
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
if [[ $how == hand ]]; then
    collector_by_hand
fi
if [[ $how == pam ]]; then
    by_pam
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
if [[ ${6:-} == collector ]]; then
    sed -i "s#^min_free#collector = \"$base/collector\"\n&#" /etc/hrec/config.toml
    mkdir "$base/keeper"
    HOME="$base/keeper" "$base/bin/hrec" collect &
    until [[ -S $base/collector ]]; do sleep 0.05; done
fi
# What the host's root would be told.
{ "$base/bin/hrec" doctor --bastion --json || :; } >"$base/doctor.json"
/usr/sbin/sshd -D -e &
wait $!
