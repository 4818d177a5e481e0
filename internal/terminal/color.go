package terminal

import "fmt"

// A color is one as it is drawn, in sRGB.
type color struct{ r, g, b uint8 }

// String is the colour as CSS writes it.
func (c color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// The window is dark. All that is drawn as text on it, black but for itself, has
// a contrast of 4.5 or more, which WCAG 2.2 asks for in 1.4.3.
var (
	windowColor = color{0x0d, 0x11, 0x17}
	frameColor  = color{0x48, 0x4f, 0x58}
	titleColor  = color{0x9d, 0xa7, 0xb3}
	textColor   = color{0xe6, 0xed, 0xf3}
)

// ansi are the 16 colours that every terminal has.
var ansi = [16]color{
	{0x48, 0x4f, 0x58}, // black
	{0xff, 0x7b, 0x72}, // red
	{0x3f, 0xb9, 0x50}, // green
	{0xd2, 0x99, 0x22}, // yellow
	{0x58, 0xa6, 0xff}, // blue
	{0xbc, 0x8c, 0xff}, // magenta
	{0x39, 0xc5, 0xcf}, // cyan
	{0xb1, 0xba, 0xc4}, // white
	{0x8b, 0x94, 0x9e}, // the same, bright
	{0xff, 0xa1, 0x98},
	{0x56, 0xd3, 0x64},
	{0xe3, 0xb3, 0x41},
	{0x79, 0xc0, 0xff},
	{0xd2, 0xa8, 0xff},
	{0x56, 0xd4, 0xdd},
	{0xff, 0xff, 0xff},
}

// paletteColor is one of xterm's 256 colours: the 16, a cube of 6×6×6 and 24
// shades of grey.
func paletteColor(n uint8) color {
	switch {
	case n < 16:
		return ansi[n]
	case n < 232:
		level := func(i uint8) uint8 {
			if i == 0 {
				return 0
			}
			return 55 + 40*i
		}
		n -= 16
		return color{level(n / 36), level(n / 6 % 6), level(n % 6)}
	default:
		grey := 8 + 10*(n-232)
		return color{grey, grey, grey}
	}
}

// shown is a colour as it is drawn; def is the terminal's.
func shown(c Color, def color) color {
	switch c.kind {
	case ofPalette:
		return paletteColor(c.r)
	case ofParts:
		return color{c.r, c.g, c.b}
	default:
		return def
	}
}

// mixed is faint text: a colour nearer to the one behind it, by two fifths.
func mixed(fg, bg color) color {
	mix := func(f, b uint8) uint8 { return f/5*3 + b/5*2 }
	return color{mix(fg.r, bg.r), mix(fg.g, bg.g), mix(fg.b, bg.b)}
}
