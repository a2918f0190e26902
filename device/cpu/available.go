package cpu

// AvailableMemory returns the bytes that this process can still use, by what the system and
// its control group say; a number far beyond any machine's where they say nothing.
func AvailableMemory() int64 { return availableMemory() }
