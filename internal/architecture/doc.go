// Package architecture holds no code. Its tests keep the drawing of
// docs/architecture.md true: which package may import which, who alone may
// touch a library, and which calls have one place in the whole tree. A package
// that its table does not know fails the test, so that every new one is given
// its floor on purpose.
package architecture
