// Package gradcheck checks whole small networks: their gradients against finite
// differences in float64, and a device's answers against the oracle's. The single
// ops are checked by package device/devicetest.
package gradcheck
