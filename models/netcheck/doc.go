// Package netcheck checks the four networks whole, at a small size: their gradients
// against central differences in float64, and a device's answers against the oracle's. The
// single ops are checked by package device/devicetest.
package netcheck
