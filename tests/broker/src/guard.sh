# The guard of one node: runs its epmd, and cleans up when the test process is gone.
# $1 the folder of the node, $2 its name, the rest: the command of epmd.
# Standard input is a pipe held by the test process; its end says that the process is gone, however it went.
folder=$1
name=$2
shift 2

"$@" </dev/null >/dev/null 2>&1 &
epmd=$!

while read -r _; do :; done

# A running node saw the same end of file; one that is stopped by a signal did not.
# The process id may belong to a stranger by now: ours has the name of the folder among its arguments.
vm=$(cat "$folder/vm.pid" 2>/dev/null)
is_ours() {
    { cat "/proc/$vm/cmdline" 2>/dev/null || ps -p "$vm" -o command= 2>/dev/null; } | tr '\0' ' ' | grep -qF -- "$name "
}
if [ -n "$vm" ] && is_ours; then
    kill -s KILL "$vm" 2>/dev/null
    tries=0
    while [ "$tries" -lt 50 ] && is_ours; do
        sleep 0.1
        tries=$((tries + 1))
    done
fi

kill "$epmd" 2>/dev/null
wait "$epmd" 2>/dev/null
# A helper of the node may still be writing.
rm -rf "$folder" 2>/dev/null || { sleep 1; rm -rf "$folder"; }
