# shellcheck shell=sh
# What ./install.sh --bastion does, read by it: a host whose people work
# recorded. Everything that can be refused is refused before anything is
# changed; what is changed is noted first, and undone when a later step fails.
# Files that are already as they should be are not touched.

etc=/etc/hrec
store=/var/lib/hrec
socket=/run/hrec/collect.sock
config=$etc/config.toml
# Whose shell was what: name:before:now, by which --uninstall goes.
before=$etc/before/shells
# Who got a forced command instead, in the same form.
before_forced=$etc/before/forced
# There while shells and reload wait for a collector.
pending=$etc/before/pending
# The first that sshd reads counts, and so the name.
sshd_ours=/etc/ssh/sshd_config.d/00-hrec.conf
sshd_main=/etc/ssh/sshd_config
# By which the collector hears of every login, recorded or not.
pam=/etc/pam.d/sshd
# Stands above or before a line of ours in a file that is not ours.
mark='# hrec: by install.sh --bastion'
was='#hrec-was '
changed=no
reloaded=no
steps=0

# --- what is changed, and its undoing -------------------------------------

# noted KIND WHAT [BEFORE]: before a step, how it is undone.
noted() {
    steps=$((steps + 1))
    printf '%s\n' "$1" "$2" "${3:-}" >"$work/step.$steps"
    changed=yes
}

undo() {
    while [ "$steps" -gt 0 ]; do
        { read -r kind && read -r what && { read -r old || :; }; } <"$work/step.$steps"
        case $kind in
            made) rm -f "$what" ;;
            file) cp -p "$work/kept.$steps" "$what.undo.$$" && mv -f "$what.undo.$$" "$what" ;;
            dir) rmdir "$what" 2>/dev/null || : ;;
            access) chown "${old% *}" "$what" && chmod "00${old#* }" "$what" ;;
            shell) usermod --shell "$old" "$what" || say "the shell of $what is not $old again: usermod --shell $old $what" >&2 ;;
            unit) systemctl disable --now "$what" >/dev/null 2>&1 || : ;;
            units) systemctl daemon-reload || : ;;
            account) say "the user and the group hrec were made and are left; they have no password and no shell" >&2 ;;
        esac
        steps=$((steps - 1))
    done
    if [ "$reloaded" = yes ]; then
        reload_sshd || :
    fi
}

bastion_end() {
    if [ "$1" -ne 0 ] && [ "$changed" = yes ]; then
        undo
        say "install.sh: what this call had changed is undone" >&2
    fi
    rm -rf "$work"
}

# put_text MODE OWNER FILE: standard input becomes its content.
put_text() {
    cat >"$work/text"
    file=$(readlink -f -- "$3") || file=$3
    if [ -e "$file" ]; then
        if cmp -s "$work/text" "$file"; then
            return 0
        fi
        noted file "$file"
        cp -p "$file" "$work/kept.$steps"
        # Mode and owner of a file that was there are the host's to say.
        cp -p "$file" "$file.new.$$"
        cat "$work/text" >"$file.new.$$"
    else
        mkdir -p "$(dirname -- "$file")"
        noted made "$file"
        : >"$file.new.$$"
        chown "$2" "$file.new.$$"
        chmod "$1" "$file.new.$$"
        cat "$work/text" >"$file.new.$$"
    fi
    mv -f "$file.new.$$" "$file"
}

# put_access MODE OWNER PATH
put_access() {
    access=$(stat -c '%U:%G %a' "$3")
    if [ "$access" != "$2 $1" ]; then
        noted access "$3" "$access"
        chown "$2" "$3"
        # With fewer digits chmod leaves a directory its set-group-ID bit.
        chmod "00$1" "$3"
    fi
}

# put_file MODE OWNER FROM TO: a file of ours as it is.
put_file() {
    if ! cmp -s "$3" "$4"; then
        mkdir -p "$(dirname -- "$4")"
        if [ -e "$4" ]; then
            noted file "$4"
            cp -p "$4" "$work/kept.$steps"
        else
            noted made "$4"
        fi
        # Under another name first: what runs must not be written over.
        cp "$3" "$4.new.$$"
        chown "$2" "$4.new.$$"
        chmod "$1" "$4.new.$$"
        mv -f "$4.new.$$" "$4"
    else
        put_access "$1" "$2" "$4"
    fi
}

# put_dir MODE OWNER DIR
put_dir() {
    if [ ! -d "$3" ]; then
        noted dir "$3"
        mkdir -p "$3"
    fi
    put_access "$1" "$2" "$3"
}

# add_line FILE LINE: unless it is there.
add_line() {
    if [ -e "$1" ] && grep -qxF -- "$2" "$1"; then
        return 0
    fi
    # A last line without an end gets one.
    { [ ! -e "$1" ] || sed '' "$1"; printf '%s\n' "$2"; } >"$work/lines"
    put_text 644 root:root "$1" <"$work/lines"
}

# --- what the host is like ------------------------------------------------

booted_with_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; }

find_sshd() {
    for sshd in /usr/sbin/sshd /usr/local/sbin/sshd /usr/bin/sshd; do
        if [ -x "$sshd" ]; then
            return 0
        fi
    done
    return 1
}

reload_sshd() {
    if booted_with_systemd; then
        for unit in ssh.service sshd.service; do
            if systemctl cat "$unit" >/dev/null 2>&1; then
                systemctl try-reload-or-restart "$unit"
                return
            fi
        done
        say "reload sshd: systemd has neither ssh.service nor sshd.service"
    elif [ -s /run/sshd.pid ] && kill -HUP "$(cat /run/sshd.pid)" 2>/dev/null; then
        :
    else
        say "reload sshd, whose process is not in /run/sshd.pid: kill -HUP its first process"
    fi
}

# Everything that sshd does for this user.
sshd_says() { "$sshd" -T -C "user=$1,host=localhost,addr=127.0.0.1" 2>/dev/null; }

# Where hrec's own shell.sftp_server is, first.
find_sftp_server() {
    for sftp_server in /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec; do
        sftp_server=$sftp_server/sftp-server
        if [ -x "$sftp_server" ]; then
            return 0
        fi
    done
    sftp_server=
}

# Whether the configuration names a collector, in whichever of TOML's ways.
names_collector() { grep -Eq "^([^#]*[^#_[:alnum:]])?collector[\"']?[[:space:]]*=" "$config"; }

# Members of a group, one a line: those that it lists, and those whose own it is.
members() {
    entry=$(getent group "$1") || return 0
    number=$(printf '%s\n' "$entry" | cut -d : -f 3)
    {
        printf '%s\n' "$entry" | cut -d : -f 4 | tr , '\n'
        getent passwd | while IFS=: read -r name _ _ own _; do
            if [ "$own" = "$number" ]; then
                printf '%s\n' "$name"
            fi
        done
    } | sed '/^$/d' | sort -u
}

# Whether a file of lines like passwd's has one of this name.
listed() { [ -e "$2" ] && cut -d : -f 1 "$2" | grep -qxF -- "$1"; }

shell_of() { getent passwd "$1" | cut -d : -f 7; }

is_ours() { case $1 in "$prefix"/bin/hrec | "$prefix"/bin/hrec-shell | "$prefix"/bin/hrec-shell-*) ;; *) return 1 ;; esac }

# Shells that read no file of the person's before they run a command.
reads_nothing() { case $(readlink -f -- "$1") in */dash) ;; *) return 1 ;; esac }

# A collector is there, and hrec can speak with it.
collector_answers() { "$hrec" doctor --bastion 2>/dev/null | grep -q '^ok  collector '; }

# --- refusals -------------------------------------------------------------

bastion_check() {
    [ "$(id -u)" -eq 0 ] || fail "--bastion changes the host's users and sshd, which needs root: sudo ./install.sh --bastion ..."
    [ -n "$recipients" ] || fail "--bastion needs --recipient AGE1...: whoever is to open the recordings gives what 'age-keygen -y KEYFILE' prints; without one nobody could"
    printf '%s\n' "$recipients" | while IFS= read -r recipient; do
        case $recipient in
            *AGE-SECRET-KEY-* | *AGE-PLUGIN-* | *'PRIVATE KEY'*)
                fail "what was given to --recipient is a private key, which opens recordings and must not be on this host; it is in this shell's history now: make a new one elsewhere, and give its public half here (age-keygen -y KEYFILE)"
                ;;
            *[\"\\]*) fail "no recipient: $recipient" ;;
        esac
        if [ -e "$recipient" ]; then
            fail "--recipient takes a public key, and $recipient is a file: give what is in it, one --recipient for each"
        fi
    done
    if [ -n "$group" ]; then
        [ "$group" != hrec ] || fail "the group hrec is the collector's, and nobody is to be in it: give the group whose members are to be recorded"
        getent group "$group" >/dev/null || fail "there is no group $group: groupadd $group, put people into it (gpasswd -a NAME $group), and call this again"
    fi
    if entry=$(getent group hrec) && [ -n "$(printf '%s\n' "$entry" | cut -d : -f 4)" ]; then
        fail "the group hrec has members, who would have a way to the collector: take them out of it (gpasswd -d NAME hrec)"
    fi
    for tool in usermod getent ssh-keygen readlink cmp stat awk; do
        command -v "$tool" >/dev/null 2>&1 || fail "--bastion needs $tool, which is not there"
    done
    find_sshd || fail "there is no sshd on this host: install openssh-server"
    "$sshd" -t >"$work/sshd" 2>&1 ||
        fail "sshd refuses its configuration as it is, before anything is changed: $(head -n 1 "$work/sshd")"
    if [ -e "$config" ]; then
        printf '%s\n' "$recipients" | while IFS= read -r recipient; do
            grep -qF -- "\"$recipient\"" "$config" ||
                fail "$config is there, and does not name $recipient: its settings are yours to change; add it to record.recipients, or move the file away"
        done
        # Owners and modes would be for the one, the settings for the other:
        # nobody would get in, or everybody into the collector's store.
        if [ "$collector" = yes ] && ! names_collector; then
            fail "by $config sessions write the store themselves: call this with --without-collector; or, for a collector, add collector = \"$socket\" below [store] in it, keep this session open, and call this again at once, since nobody else gets in before that"
        elif [ "$collector" = no ] && names_collector; then
            fail "by $config a collector has the store (store.collector), which --without-collector would open to every session: call this without it"
        fi
    fi
    : >"$work/people"
    : >"$work/forced"
    : >"$work/others"
    if [ -n "$group" ]; then
        plan_people
    fi
    if [ -e "$before_forced" ]; then
        cat "$before_forced" >>"$work/forced"
    fi
    sort -u "$work/forced" >"$work/forced.all"
}

# With the hrec that is to be installed: whether it takes the recipients.
bastion_check_recipients() {
    # What stands in the configuration, hrec itself judges at the end.
    if [ -e "$config" ]; then
        return 0
    fi
    mkdir -p "$work/home"
    number=0
    printf '%s\n' "$recipients" | while IFS= read -r recipient; do
        number=$((number + 1))
        env -u XDG_CONFIG_HOME -u XDG_DATA_HOME HOME="$work/home" \
            "$built" rec -r "$recipient" -o "$work/tried.$number" -- true </dev/null >"$work/said" 2>&1 &&
            [ -s "$work/tried.$number" ] ||
            fail "hrec cannot record for $recipient: $(tail -n 1 "$work/said")"
    done
}

# Whose shell is to be changed: name:before:now for each, in $work/people; and
# what is to be said of the others.
plan_people() {
    members "$group" >"$work/members"
    while IFS= read -r name; do
        shell=$(shell_of "$name")
        if is_ours "$shell"; then
            continue
        fi
        case $shell in
            */nologin | */false | */sync | */git-shell)
                printf '%s\n' "$name has $shell and cannot log in: left" >>"$work/others"
                continue
                ;;
        esac
        if [ "$(getent passwd "$name" | cut -d : -f 3)" = 0 ]; then
            printf '%s\n' "$name is root, who must be able to mend this host: left" >>"$work/others"
        elif listed "$name" /etc/passwd; then
            printf '%s\n' "$name:$shell:$prefix/bin/hrec-shell" >>"$work/people"
        elif reads_nothing "${shell:-/bin/sh}"; then
            printf '%s\n' "$name:${shell:-/bin/sh}" >>"$work/forced"
        else
            printf '%s\n' "$name is not in /etc/passwd, and $shell reads a file of theirs before a forced command: set their shell to $prefix/bin/hrec-shell where the account is kept" >>"$work/others"
        fi
    done <"$work/members"
    for list in people forced; do
        real_shells "$work/$list" | while IFS= read -r entry; do
            if [ -e "$config" ] && ! grep -qF -- "$entry" "$config" && ! grep -q "^users = .*$mark\$" "$config"; then
                fail "$config has settings of your own for shell.users; add $entry to that, and call this again"
            fi
        done
    done
}

# The entries of shell.users for such a list: whoever has another shell than
# the default.
real_shells() {
    while IFS=: read -r name shell _; do
        case ${shell:-/bin/sh} in
            /bin/bash) ;;
            *) printf '"%s" = "%s"\n' "$name" "${shell:-/bin/sh}" ;;
        esac
    done <"$1"
}

# --- installing -----------------------------------------------------------

bastion_install() {
    hrec=$prefix/bin/hrec
    bastion_accounts
    replaced=no
    if [ -e "$hrec" ] && ! cmp -s "$built" "$hrec"; then
        replaced=yes
    fi
    put_file 2755 root:hrec "$built" "$hrec"
    link "$prefix/bin/hrec-shell"
    pages
    bastion_directories
    bastion_keys
    bastion_config
    add_line /etc/shells "$prefix/bin/hrec-shell"
    bastion_units
    bastion_sshd
    bastion_pam
    "$hrec" doctor --bastion >"$work/doctor" 2>&1 || :
    if grep -q '^!! *config' "$work/doctor"; then
        fail "hrec refuses its configuration: $(grep '^!! *config' "$work/doctor" | head -n 1)"
    fi
    bastion_people
    findings
}

link() {
    if [ "$(readlink "$1" 2>/dev/null)" != hrec ]; then
        noted made "$1"
        ln -sf hrec "$1"
    fi
}

pages() {
    for page in "$here"/man/*.[157]; do
        put_file 644 root:root "$page" "$prefix/share/man/man${page##*.}/${page##*/}"
    done
    for shell in bash zsh fish; do
        "$hrec" completions "$shell" >"$work/$shell" || fail "$hrec does not run on this machine"
    done
    put_file 644 root:root "$work/bash" "$bash_completion"
    put_file 644 root:root "$work/zsh" "$zsh_completion"
    put_file 644 root:root "$work/fish" "$fish_completion"
}

bastion_accounts() {
    put_text 644 root:root /etc/sysusers.d/hrec.conf <"$here/assets/sysusers.d/hrec.conf"
    if getent passwd hrec >/dev/null && getent group hrec >/dev/null; then
        return 0
    fi
    noted account hrec
    if command -v systemd-sysusers >/dev/null 2>&1; then
        systemd-sysusers /etc/sysusers.d/hrec.conf
    else
        getent group hrec >/dev/null || groupadd --system hrec
        useradd --system --gid hrec --home-dir "$store" --no-create-home --shell /usr/sbin/nologin hrec
    fi
    getent passwd hrec >/dev/null && getent group hrec >/dev/null ||
        fail "the user hrec could not be made"
}

bastion_directories() {
    put_dir 755 root:root "$etc"
    put_dir 700 root:root "$etc/before"
    if [ "$collector" = no ]; then
        put_dir 2770 root:hrec "$store"
        return 0
    fi
    # A store that sessions wrote themselves becomes the collector's.
    if [ -d "$store" ] && [ "$(stat -c %U "$store")" != hrec ]; then
        noted access "$store" "$(stat -c '%U:%G %a' "$store")"
        chown -R hrec:hrec "$store"
    fi
    put_dir 700 hrec:hrec "$store"
    put_text 644 root:root /etc/tmpfiles.d/hrec.conf <"$here/assets/tmpfiles.d/hrec.conf"
    put_dir 755 hrec:hrec /run/hrec
}

bastion_keys() {
    for key in signing_key ledger_key; do
        if [ ! -e "$etc/$key" ]; then
            noted made "$etc/$key.pub"
            noted made "$etc/$key"
            ssh-keygen -q -t ed25519 -N '' -C "$key of $(uname -n)" -f "$etc/$key"
        fi
        if [ "$collector" = no ]; then
            put_access 640 root:hrec "$etc/$key"
        else
            put_access 600 hrec:hrec "$etc/$key"
        fi
        [ -e "$etc/$key.pub" ] || fail "$etc/$key has no public half beside it: ssh-keygen -y -f $etc/$key > $etc/$key.pub"
    done
    # Seals are made by a session's own key, which the signing key certifies.
    add_line "$etc/allowed_signers" "* cert-authority,namespaces=\"hrec*\" $(cat "$etc/signing_key.pub")"
    for key in signing_key ledger_key; do
        add_line "$etc/allowed_signers" "* namespaces=\"hrec*\" $(cat "$etc/$key.pub")"
    done
}

# The line of shell.users for all whose shell was changed, now or earlier.
users_line() {
    cat "$before" "$work/people" "$work/forced.all" 2>/dev/null | awk -F : '!seen[$1]++' >"$work/known"
    entries=$(real_shells "$work/known" | sed -n 'H;${x;s/^\n//;s/\n/, /g;p;}')
    printf 'users = { %s } %s\n' "$entries" "$mark" | sed 's/{  }/{}/'
}

bastion_config() {
    if [ -e "$config" ]; then
        line=$(users_line)
        awk -v line="$line" -v mark="$mark" \
            '/^users = / && substr($0, length($0) - length(mark) + 1) == mark { print line; next } { print }' \
            "$config" >"$work/config"
    else
        {
            say "# Written by install.sh --bastion, which leaves it alone from then on;"
            say "# hrec-config(5) has what may be set, hrec-bastion(7) what it is for."
            say 'locked = ["*"]'
            say
            say "[record]"
            say 'mode = "strict"'
            printf 'recipients = ['
            printf '%s\n' "$recipients" | sed -e 's/.*/"&"/' | sed -n 'H;${x;s/^\n//;s/\n/, /g;p;}' | tr -d '\n'
            say ']'
            say '# Who gets in, loudly and unrecorded, when nothing can be recorded.'
            say '# rescue_users = ["oncall"]'
            say
            say "[store]"
            say "path = \"$store\""
            if [ "$collector" = yes ]; then
                say "collector = \"$socket\""
            fi
            say
            say "[shell]"
            find_sftp_server
            case $sftp_server in
                '' | /usr/lib/openssh/*) ;;
                *) say "sftp_server = \"$sftp_server\"" ;;
            esac
            say "# The real shells of those who had another than /bin/bash."
            users_line
            say
            say "[seal]"
            say "key = \"$etc/signing_key\""
        } >"$work/config"
    fi
    put_text 644 root:root "$config" <"$work/config"
}

bastion_units() {
    [ "$collector" = yes ] || return 0
    if ! booted_with_systemd; then
        [ "$replaced" = no ] || say "the collector that runs is of the version before: end it, and start it again"
        return 0
    fi
    new=no
    if [ ! -e /etc/systemd/system/hrec-collect.socket ]; then
        new=yes
        noted units hrec
    fi
    for unit in hrec-collect.service hrec-collect.socket; do
        sed "s#/usr/bin/hrec#$hrec#g" "$here/assets/systemd/$unit" >"$work/$unit"
        put_text 644 root:root "/etc/systemd/system/$unit" <"$work/$unit"
    done
    systemctl daemon-reload
    if [ "$new" = yes ]; then
        noted unit hrec-collect.socket
    fi
    systemctl enable --now hrec-collect.socket
    # Notifies when it is ready: what keeps it from that is seen here. Sessions
    # wait while one of the new version takes over.
    verb=start
    [ "$replaced" = no ] || verb=restart
    systemctl "$verb" hrec-collect.service ||
        fail "the collector does not start: journalctl -u hrec-collect"
}

bastion_sshd() {
    {
        say "$mark; hrec-bastion(7) says why"
        say "ExposeAuthInfo yes"
        say "DisableForwarding yes"
        say "# Which leaves these open before OpenSSH 10.0 (CVE-2025-32728)."
        say "AllowAgentForwarding no"
        say "X11Forwarding no"
        say "PermitUserRC no"
        say "PermitUserEnvironment no"
        if [ -s "$work/forced.all" ]; then
            say "# Not in /etc/passwd, with a shell that reads no file of theirs."
            cut -d : -f 1 "$work/forced.all" | while IFS= read -r name; do
                say "Match User $name"
                say "    ForceCommand $prefix/bin/hrec-shell"
            done
        fi
    } >"$work/sshd_ours"
    if [ -s "$work/forced.all" ]; then
        put_text 644 root:root "$before_forced" <"$work/forced.all"
    fi
    put_text 644 root:root "$sshd_ours" <"$work/sshd_ours"
    # internal-sftp runs in sshd itself, past every shell.
    find_sftp_server
    for file in "$sshd_main" /etc/ssh/sshd_config.d/*.conf; do
        if [ -e "$file" ] && [ -n "$sftp_server" ]; then
            awk -v was="$was" -v server="$sftp_server" '
                tolower($1) == "subsystem" && tolower($2) == "sftp" && $3 == "internal-sftp" {
                    print was $0
                    print "Subsystem sftp " server
                    next
                }
                { print }' "$file" >"$work/subsystem"
            put_text 644 root:root "$file" <"$work/subsystem"
        fi
    done
    if [ -z "$sftp_server" ]; then
        say "no sftp-server was found: sshd's Subsystem sftp is left as it is; install it (openssh-sftp-server), and call this again"
    fi
    # A host whose sshd_config includes nothing, or something else before it.
    if [ -n "$(sshd_disagrees)" ] && ! grep -qxF -- "$mark" "$sshd_main"; then
        { say "$mark"; say "Include $sshd_ours"; cat "$sshd_main"; } >"$work/main"
        put_text 644 root:root "$sshd_main" <"$work/main"
    fi
    "$sshd" -t >"$work/sshd" 2>&1 || fail "sshd would refuse its new configuration: $(head -n 1 "$work/sshd")"
    disagrees=$(sshd_disagrees)
    [ -z "$disagrees" ] ||
        fail "sshd does not go by $sshd_ours in this: $disagrees; a Match block in $sshd_main or what it includes says otherwise: take it out, and call this again"
}

bastion_pam() {
    [ "$collector" = yes ] || return 0
    if [ ! -e "$pam" ]; then
        say "there is no $pam: the collector will not hear of logins; see hrec-bastion(7)"
        return 0
    fi
    line="session optional pam_exec.so quiet $hrec collect --login"
    if ! grep -qxF -- "$line" "$pam"; then
        { sed '' "$pam"; say "$mark"; say "$line"; } >"$work/pam"
        put_text 644 root:root "$pam" <"$work/pam"
    fi
}

# What sshd does not do as it is to: nothing, where all is well. A Match block
# can say otherwise for one of the people alone.
sshd_disagrees() {
    {
        say nobody
        cat "$work/members" "$before" "$work/forced.all" 2>/dev/null | cut -d : -f 1
    } | sort -u >"$work/asked"
    while IFS= read -r name; do
        sshd_says "$name" >"$work/says" || :
        for setting in exposeauthinfo:yes disableforwarding:yes allowagentforwarding:no x11forwarding:no \
            permituserrc:no permituserenvironment:no; do
            said=$(sed -n "s/^${setting%:*} //p" "$work/says")
            if [ "$said" != "${setting#*:}" ]; then
                printf '%s %s (for %s) ' "${setting%:*}" "$said" "$name"
            fi
        done
    done <"$work/asked"
}

# The step that people notice, and the only one that can lock them out: last,
# and announced.
bastion_people() {
    undoing="./install.sh --bastion --uninstall"
    [ "$prefix" = /usr ] || undoing="./install.sh --bastion --prefix $prefix --uninstall"
    if [ "$collector" = yes ] && ! collector_answers; then
        say "hrec is set up, but for the login shells and sshd's reload, which wait for the collector:"
        say "without it nobody would get in. This host does not run systemd; start it at every boot with"
        say "    install -d -o hrec -g hrec -m 755 /run/hrec"
        say "    setpriv --reuid hrec --regid hrec --clear-groups --reset-env --inh-caps +kill --ambient-caps +kill $hrec collect"
        say "then call this again. To undo what is done: $undoing"
        : >"$pending"
        exit 0
    fi
    if [ "$changed" = no ] && [ ! -e "$pending" ] && [ ! -s "$work/people" ]; then
        say "everything is as it should be already; nothing was changed"
        return 0
    fi
    say "hrec is set up; now login shells are changed and sshd is reloaded."
    say "KEEP THIS SESSION OPEN, and try from a second one before you close it:"
    if [ -s "$work/people" ]; then
        say "    ssh $(head -n 1 "$work/people" | cut -d : -f 1)@$(uname -n)        then, here: hrec ls"
    else
        say "    ssh SOMEBODY@$(uname -n)        then, here: hrec ls"
    fi
    say "To undo everything: $undoing"
    if [ -z "$group" ]; then
        say "No --group was given, and nobody's shell is changed: usermod --shell $prefix/bin/hrec-shell NAME"
    else
        if [ -s "$work/others" ]; then
            cat "$work/others"
        fi
        while IFS=: read -r name shell now; do
            # Remembered first: an end in between must not forget it.
            add_line "$before" "$name:$shell:$now"
            noted shell "$name" "${shell:-/bin/sh}"
            usermod --shell "$now" "$name" >"$work/usermod" 2>&1 ||
                fail "the shell of $name could not be changed: $(tail -n 1 "$work/usermod")"
            say "$name: ${shell:-/bin/sh} -> $now"
        done <"$work/people"
        say "who joins $group later: call this again"
    fi
    reloaded=yes
    reload_sshd || fail "sshd could not be reloaded"
    rm -f "$pending"
}

findings() {
    "$hrec" doctor --bastion >"$work/doctor" 2>&1 || :
    grep '^!!' "$work/doctor" || say "hrec doctor --bastion finds nothing open"
}

# --- removing -------------------------------------------------------------

bastion_uninstall() {
    [ "$(id -u)" -eq 0 ] || fail "--bastion --uninstall needs root"
    hrec=$prefix/bin/hrec
    # Whoever has hrec as a shell that was not set here would be locked out.
    strangers=$(getent passwd | while IFS=: read -r name _ _ _ _ _ shell; do
        if is_ours "$shell" && ! listed "$name" "$before"; then
            printf '%s ' "$name"
        fi
    done)
    [ -z "$strangers" ] || fail "this was not set by --bastion, and what it was before is not known: ${strangers}have hrec as their shell; usermod --shell SHELL NAME for each, and call this again; nothing was changed"
    if [ -e "$before" ]; then
        while IFS=: read -r name shell _; do
            if is_ours "$(shell_of "$name")"; then
                noted shell "$name" "$(shell_of "$name")"
                usermod --shell "${shell:-/bin/sh}" "$name" >"$work/usermod" 2>&1 ||
                    fail "the shell of $name could not be changed: $(tail -n 1 "$work/usermod")"
                say "$name: ${shell:-/bin/sh} again"
            fi
        done <"$before"
    fi
    remove "$sshd_ours"
    for file in "$sshd_main" /etc/ssh/sshd_config.d/*.conf "$pam"; do
        if [ -e "$file" ]; then
            awk -v was="$was" -v mark="$mark" '
                skip { skip = 0; next }
                $0 == mark { skip = 1; next }
                index($0, was) == 1 { print substr($0, length(was) + 1); skip = 1; next }
                { print }' "$file" >"$work/sshd_was"
            put_text 644 root:root "$file" <"$work/sshd_was"
        fi
    done
    if find_sshd; then
        "$sshd" -t >"$work/sshd" 2>&1 || fail "sshd would refuse its configuration without hrec's part: $(head -n 1 "$work/sshd")"
    fi
    if [ -e /etc/shells ]; then
        grep -vxF -- "$prefix/bin/hrec-shell" /etc/shells >"$work/shells" || :
        put_text 644 root:root /etc/shells <"$work/shells"
    fi
    if booted_with_systemd && [ -e /etc/systemd/system/hrec-collect.socket ]; then
        systemctl disable --now hrec-collect.socket hrec-collect.service || :
    fi
    for file in /etc/systemd/system/hrec-collect.service /etc/systemd/system/hrec-collect.socket \
        /etc/sysusers.d/hrec.conf /etc/tmpfiles.d/hrec.conf; do
        remove "$file"
    done
    if booted_with_systemd; then
        systemctl daemon-reload || :
    fi
    if find_sshd; then
        reloaded=yes
        reload_sshd || say "sshd could not be reloaded: reload it"
    fi
    # Past this nothing can fail that would have to be undone.
    changed=no
    rm -f "$before" "$before_forced" "$pending" "$prefix/bin/hrec-shell"
    rmdir "$etc/before" 2>/dev/null || :
    remove_files
    say "hrec is removed from $prefix, and logins are as they were. Left where they are:"
    say "    recordings and ledger   $store"
    say "    keys and settings       $etc"
    say "    the user and the group hrec, to whom these belong"
    if ! booted_with_systemd && [ -S "$socket" ]; then
        say "A collector that was started by hand still runs: end it."
    fi
}

remove() {
    if [ -e "$1" ]; then
        noted file "$1"
        cp -p "$1" "$work/kept.$steps"
        rm -f "$1"
    fi
}
