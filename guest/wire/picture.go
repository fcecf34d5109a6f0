package wire

// MaxFrame is the last number of a frame.
const MaxFrame = 1<<24 - 1

// A guest's pointer is what frame PointerFrame would be, of so many lines of so many pixels.
const (
	PointerFrame = 1
	PointerSide  = 64
)

// Pixel is the colour, 0xRRGGBB, that a guest's GPU shows in a frame, of 1 to [MaxFrame], at a place
// that counts from the first line's left end on. The first pixel is the frame's number, and all
// others depend on it and on their place.
func Pixel(frame uint32, at int) uint32 {
	if at == 0 {
		return frame & MaxFrame
	}
	mixed := (frame*0x9e3779b1 ^ uint32(at)) * 0x85ebca6b
	return mixed >> 8
}
