package terminal

import (
	"fmt"
	"image/color"

	"github.com/charmbracelet/x/ansi"
)

// An rgb is an sRGB color.
type rgb struct{ r, g, b uint8 }

// String is the color as CSS writes it.
func (c rgb) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// RGBA implements color.Color, opaque.
func (c rgb) RGBA() (r, g, b, a uint32) { return color.RGBA{c.r, c.g, c.b, 0xff}.RGBA() }

// The window is dark. All text colors except black have a contrast of 4.5 or more,
// as WCAG 2.2 requires (1.4.3).
var (
	windowColor = rgb{0x0d, 0x11, 0x17}
	frameColor  = rgb{0x48, 0x4f, 0x58}
	titleColor  = rgb{0x9d, 0xa7, 0xb3}
	textColor   = rgb{0xe6, 0xed, 0xf3}
)

// basic are the 16 ANSI colors.
var basic = [16]rgb{
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

// shown is a terminal color as drawn; def is the default.
func shown(c color.Color, def rgb) rgb {
	switch c := c.(type) {
	case nil:
		return def
	case ansi.BasicColor:
		return basic[c]
	case ansi.IndexedColor:
		if int(c) < len(basic) {
			return basic[c]
		}
	}
	r, g, b, _ := c.RGBA()
	return rgb{uint8(r >> 8 & 0xff), uint8(g >> 8 & 0xff), uint8(b >> 8 & 0xff)}
}

// mixed is the color of faint text: two fifths of the way to the background.
func mixed(fg, bg rgb) rgb {
	mix := func(f, b uint8) uint8 { return f/5*3 + b/5*2 }
	return rgb{mix(fg.r, bg.r), mix(fg.g, bg.g), mix(fg.b, bg.b)}
}
