package host

import "golang.org/x/sys/unix"

// tmpfsRoom returns how many bytes are free in a folder, if that is a tmpfs
// and may be written.
func tmpfsRoom(folder string) (free uint64, ok bool) {
	if folder == "" || unix.Access(folder, unix.W_OK) != nil {
		return 0, false
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil || int64(stat.Type) != unix.TMPFS_MAGIC {
		return 0, false
	}
	return stat.Bavail * uint64(stat.Bsize), true
}
