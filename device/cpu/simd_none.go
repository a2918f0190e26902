//go:build purego || !amd64

package cpu

// There are no assembly kernels.
const haveAVX2, haveAVX512 = false, false

const noKernel = "cpu: no assembly kernels in this build"

func corrAVX2(*corrArgs)                                               { panic(noKernel) }
func corrAVX512(*corrArgs)                                             { panic(noKernel) }
func combineAVX512(*combineArgs)                                       { panic(noKernel) }
func combineAVX2(*combineArgs)                                         { panic(noKernel) }
func winoInHeadAVX2(*passArgs)                                         { panic(noKernel) }
func winoInTailAVX2(*passArgs)                                         { panic(noKernel) }
func winoInAVX2(*passArgs)                                             { panic(noKernel) }
func winoOutHeadAVX2(*passArgs)                                        { panic(noKernel) }
func winoOutTailAVX2(*passArgs)                                        { panic(noKernel) }
func winoOutAVX2(*passArgs)                                            { panic(noKernel) }
func winoBackHeadAVX2(*passArgs)                                       { panic(noKernel) }
func winoBackTailAVX2(*passArgs)                                       { panic(noKernel) }
func winoBackAVX2(*passArgs)                                           { panic(noKernel) }
func winoWeightsAVX2(*passArgs)                                        { panic(noKernel) }
func winoWeightsBackAVX2(*passArgs)                                    { panic(noKernel) }
func winoInAVX512(*passArgs)                                           { panic(noKernel) }
func winoInHeadAVX512(*passArgs)                                       { panic(noKernel) }
func winoInTailAVX512(*passArgs)                                       { panic(noKernel) }
func winoBackAVX512(*passArgs)                                         { panic(noKernel) }
func winoPairAVX512(*pairArgs)                                         { panic(noKernel) }
func winoPairAVX2(*pairArgs)                                           { panic(noKernel) }
func finishAVX2(*finishArgs)                                           { panic(noKernel) }
func dotAVX2(*dotArgs)                                                 { panic(noKernel) }
func gramAVX2(*gramArgs)                                               { panic(noKernel) }
func dotAVX512(*dotArgs)                                               { panic(noKernel) }
func gatherAVX2(_, _ *float32, _, _, _ int)                            { panic(noKernel) }
func sumsAVX2(*float64, *float32, int, int, int)                       { panic(noKernel) }
func momentsAVX2(_, _ *float64, _, _ *float32, _, _, _ int)            { panic(noKernel) }
func gradSumsAVX2(_, _ *float64, _, _, _ *float32, _, _, _ int)        { panic(noKernel) }
func normApplyAVX2(_, _, _, _, _ *float32, _, _, _ int)                { panic(noKernel) }
func normGradAVX2(_, _, _, _, _, _, _ *float32, _, _, _ int, _ uint32) { panic(noKernel) }
func reluGradAVX2(_, _, _ *float32, _ int, _ uint32)                   { panic(noKernel) }
func addAVX2(_, _ *float32, _ int)                                     { panic(noKernel) }
func subAVX2(_, _ *float32, _ int)                                     { panic(noKernel) }
func blendAVX2(_, _, _ *float32, _ int, _, _ float32)                  { panic(noKernel) }
func collectAVX2(_, _, _, _, _ *float32, _ int, _, _ float32)          { panic(noKernel) }
func maxPoolAVX2(_, _ *float32, _, _, _, _, _ int)                     { panic(noKernel) }
func maxPoolGradAVX2(_, _, _, _ *float32, _, _, _, _, _ int, _ uint32) { panic(noKernel) }
func philoxAVX2(*uint32, uint64, uint32, int)                          { panic(noKernel) }
func normalsAVX2(_ *float32, _ *uint32, _ int, _ *[32][10]float64)     { panic(noKernel) }
