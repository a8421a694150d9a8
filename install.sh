#!/bin/sh
# Builds hrec, installs it with its man pages and completions, and proves that
# what was installed works: it records a short session and replays it. With
# --bastion it sets up a host whose people work recorded (assets/bastion.sh).
# Asks nothing and needs no terminal.
set -eu

oldest_rust=1.88

usage() {
    cat <<END
usage: ./install.sh [--user | --prefix DIR] [--binary FILE] [--uninstall]
       ./install.sh --bastion --recipient AGE1... [--group GROUP]
                    [--prefix DIR] [--binary FILE] [--without-collector]
       ./install.sh --bastion [--prefix DIR] --uninstall

  --user         into ~/.local (the default)
  --prefix DIR   into DIR/bin, DIR/share
  --binary FILE  install this hrec, and build nothing
  --uninstall    remove what the same call without it installs;
                 recordings, keys and settings stay

  --bastion      as root: a host on which nobody works unrecorded, below /usr;
                 man ./man/hrec-bastion.7 says what is done
  --recipient R  whoever is to open the recordings: an age recipient; again for
                 each further one
  --group GROUP  whose members get hrec as their login shell
  --without-collector
                 sessions write the store themselves
END
}

say() { printf '%s\n' "$*"; }
fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

newline='
'
prefix=
uninstall=no
bastion=no
collector=yes
recipients=
group=
binary=
while [ $# -gt 0 ]; do
    case $1 in
        --user) prefix= ;;
        --prefix)
            [ $# -ge 2 ] || fail "--prefix needs a directory"
            prefix=$2
            shift
            ;;
        --prefix=*) prefix=${1#--prefix=} ;;
        --uninstall) uninstall=yes ;;
        --bastion) bastion=yes ;;
        --without-collector) collector=no ;;
        --recipient | --group | --binary)
            [ $# -ge 2 ] || fail "$1 needs a value"
            case $1 in
                --recipient) recipients="${recipients:+$recipients$newline}$2" ;;
                --group) group=$2 ;;
                --binary) binary=$2 ;;
            esac
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    shift
done

if [ "$bastion" = yes ]; then
    prefix=${prefix:-/usr}
elif [ -n "$recipients$group" ] || [ "$collector" = no ]; then
    fail "--recipient, --group and --without-collector are for --bastion"
elif [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || fail "HOME is not set; set it, or say where to install: ./install.sh --prefix DIR"
    prefix=$HOME/.local
fi
case $prefix in
    /*) ;;
    *) prefix=$PWD/$prefix ;;
esac

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
bash_completion=$prefix/share/bash-completion/completions/hrec
zsh_completion=$prefix/share/zsh/site-functions/_hrec
fish_completion=$prefix/share/fish/vendor_completions.d/hrec.fish

# Pages by pattern: an older version may have had others.
remove_files() {
    rm -f "$prefix/bin/hrec" "$bash_completion" "$zsh_completion" "$fish_completion" \
        "$prefix"/share/man/man1/hrec.1 "$prefix"/share/man/man1/hrec-*.1 \
        "$prefix"/share/man/man5/hrec-*.5 "$prefix"/share/man/man7/hrec-*.7
}

if [ "$uninstall" = yes ] && [ "$bastion" = no ]; then
    remove_files
    say "hrec is removed from $prefix; recordings, keys and settings were left where they are"
    exit 0
fi

trap 'exit 1' HUP INT TERM
if [ "$bastion" = yes ]; then
    # shellcheck source=assets/bastion.sh
    . "$here/assets/bastion.sh"
    work=$(mktemp -d "${TMPDIR:-/tmp}/hrec-install.XXXXXX")
    trap 'bastion_end $?' EXIT
    if [ "$uninstall" = yes ]; then
        bastion_uninstall
        exit 0
    fi
    bastion_check
fi

build() {
    # What building needs, each missing thing in one sentence.
    if ! command -v cargo >/dev/null 2>&1; then
        PATH=$PATH:${CARGO_HOME:-${HOME:-}/.cargo}/bin
        export PATH
    fi
    for tool in cargo rustc; do
        command -v "$tool" >/dev/null 2>&1 ||
            fail "building hrec needs Rust $oldest_rust or later, and $tool is not there: install it from https://rustup.rs"
    done
    found=$(rustc --version 2>&1) ||
        fail "building hrec needs Rust $oldest_rust or later, and rustc does not run: $found"
    version=$(printf '%s\n' "$found" | sed -n 's/^rustc \([0-9][0-9]*\)\.\([0-9][0-9]*\).*/\1 \2/p')
    # shellcheck disable=SC2086  # two words
    set -- $version
    if [ $# -ne 2 ] || [ "$1" -lt 1 ] || { [ "$1" -eq 1 ] && [ "$2" -lt "${oldest_rust#1.}" ]; }; then
        fail "building hrec needs Rust $oldest_rust or later, and this is $found: run 'rustup update', or install it from https://rustup.rs"
    fi
    command -v "${CC:-cc}" >/dev/null 2>&1 ||
        fail "building hrec needs a C compiler for libzstd, and ${CC:-cc} is not there: install gcc or clang"

    say "building hrec (a few minutes the first time)"
    (cd "$here" && cargo build --release --locked --target-dir "$here/target") ||
        fail "the build failed; what the compiler said is above"
    built=$here/target/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}release/hrec
}

if [ -n "$binary" ]; then
    if [ ! -f "$binary" ] || [ ! -x "$binary" ]; then
        fail "--binary $binary is no program"
    fi
    built=$binary
else
    build
fi

if [ "$bastion" = yes ]; then
    bastion_check_recipients
    bastion_install
    exit 0
fi

# Under another name first: a running hrec must not be written over.
put() {
    mkdir -p "$(dirname -- "$3")"
    cp "$2" "$3.new.$$"
    chmod "$1" "$3.new.$$"
    mv -f "$3.new.$$" "$3"
}

work=$(mktemp -d "${TMPDIR:-/tmp}/hrec-install.XXXXXX")
trap 'rm -rf "$work"' EXIT

put 755 "$built" "$prefix/bin/hrec"
hrec=$prefix/bin/hrec
for page in "$here"/man/*.[157]; do
    put 644 "$page" "$prefix/share/man/man${page##*.}/${page##*/}"
done
for shell in bash zsh fish; do
    "$hrec" completions "$shell" >"$work/$shell" || fail "hrec is installed in $prefix, but does not run on this machine"
done
put 644 "$work/bash" "$bash_completion"
put 644 "$work/zsh" "$zsh_completion"
put 644 "$work/fish" "$fish_completion"

# The proof, in a home of its own: your store and keys are not touched.
# util-linux's script gives the session a terminal where we have none.
mkdir "$work/home"
file=$work/proof.cast.zst.age
in_home() {
    env -u XDG_CONFIG_HOME -u XDG_DATA_HOME HOME="$work/home" TERM=xterm "$@" </dev/null 2>>"$work/log"
}
unproven() {
    sed 's/^/  /' "$work/log" >&2
    if [ -e /etc/hrec/config.toml ]; then
        say "  (/etc/hrec/config.toml applies to it too, and may lock who can replay)" >&2
    fi
    fail "hrec is installed in $prefix, but $1"
}
: >"$work/log"
word=hrec-proof-$$
cat >"$work/session" <<'END'
exec "$HREC" rec -o "$FILE" -- sh -c 'printf "%s\\n" "$0"; exit 7' "$WORD"
END
export HREC="$hrec" FILE="$file" WORD="$word" SESSION="$work/session"
status=0
# shellcheck disable=SC2016  # for the shell that script starts
if script --version 2>/dev/null | grep -q util-linux; then
    in_home script -qec 'exec sh "$SESSION"' /dev/null >"$work/shown" || status=$?
else
    in_home sh "$work/session" >"$work/shown" || status=$?
fi
[ "$status" -eq 7 ] || unproven "recording a session failed: its program ended with 7, hrec with $status"
in_home "$hrec" play --plain "$file" >"$work/replayed" || unproven "replaying a recording failed"
grep -q "$word" "$work/replayed" || unproven "the replay does not show what was recorded"
if grep -q "$word" "$file"; then
    unproven "the recording is not encrypted"
fi

say "recorded and replayed a short session: hrec works"
say "installed: $hrec, its man pages and completions"
case :${PATH}: in
    *:"$prefix/bin":*) ;;
    *) say "$prefix/bin is not in PATH; add it:  export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
case ${SHELL:-} in
    */zsh) say "for completions, in ~/.zshrc before compinit:  fpath+=($prefix/share/zsh/site-functions)" ;;
esac
say "next:  hrec ssh HOST    records it;  hrec play    replays it;  man hrec    says the rest"
