package view

// What the tests of the embedded files compare with.
const (
	NiiVuePackage = niivuePackage
	NiiVueSHA256  = niivueSHA256
)
