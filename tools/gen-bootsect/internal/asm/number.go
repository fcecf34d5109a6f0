package asm

func bytesOf(size byte) int { return map[byte]int{'b': 1, 'w': 2, 'l': 4}[size] }

func isByte(n int64) bool { return -128 <= n && n <= 127 }

// signed reads the low bits of n, as many as the size has, as a signed number.
func signed(n int64, size byte) int64 {
	switch size {
	case 'b':
		return int64(int8(n))
	case 'w':
		return int64(int16(n))
	}
	return int64(int32(n))
}

func fitsIn(n int64, size int, unsigned bool) bool {
	if size == 8 {
		return !unsigned || n >= 0
	}
	low := int64(-1) << (8*size - 1)
	if unsigned {
		low = 0
	}
	return low <= n && n < 1<<(8*size)
}

func misfit(n int64, size int, unsigned bool) error {
	low := int64(-1) << (8*size - 1)
	if unsigned {
		low = 0
	}
	return faultf("%d (%#x) doesn't fit in %d bits: it must be from %d to %d", n, n, 8*size, low, int64(1)<<(8*size)-1)
}
