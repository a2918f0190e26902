package infer

import (
	"voxgrad/autograd"
	"voxgrad/models"
)

// Member is one network of an ensemble, one of the four or any other that segments. Make one with Keep or Open.
type Member struct {
	kept models.Network
	open func() (net models.Network, release func(), err error)
}

// Keep is a member that is open already and stays so. Members that are kept and have the same
// encoder, such as detectors trained with one that was frozen, compute its features once for all.
func Keep(net models.Network) Member { return Member{kept: net} }

// Open is a member that is opened when its turn comes; release gives it back. Such members are opened one after
// another, so that only one needs memory at a time.
func Open(open func() (net models.Network, release func(), err error)) Member {
	return Member{open: open}
}

// group is members that are computed window by window together.
type group struct {
	kept []models.Network
	Member
	number []int // of the members, among all
}

// grouped puts kept members whose encoders have the same numbers together, in the order of the first of each.
func grouped(members []Member) (groups []*group) {
	for n, m := range members {
		home := -1
		if m.kept != nil {
			for i, g := range groups {
				if g.kept != nil && sameEncoder(g.kept[0], m.kept) {
					home = i
					break
				}
			}
		}
		switch {
		case home >= 0:
			groups[home].kept, groups[home].number = append(groups[home].kept, m.kept), append(groups[home].number, n)
		case m.kept != nil:
			groups = append(groups, &group{kept: []models.Network{m.kept}, number: []int{n}})
		default:
			groups = append(groups, &group{Member: m, number: []int{n}})
		}
	}
	return groups
}

func sameEncoder(a, b models.Network) bool {
	x, ok := a.(*models.Net)
	y, too := b.(*models.Net)
	return ok && too && x.SameEncoder(y)
}

// open returns the networks of a group.
func (g *group) open() (nets []models.Network, release func(), err error) {
	if g.kept != nil {
		return g.kept, func() {}, nil
	}
	net, release, err := g.Member.open()
	return []models.Network{net}, release, err
}

// logits hands on the answer of each network, which share their encoder if there are several.
func logits(t *autograd.Tape, nets []models.Network, x []*autograd.Var, each func(y *autograd.Var)) {
	if len(nets) == 1 {
		each(nets[0].Forward(t, x...))
		return
	}
	features := nets[0].(*models.Net).Encode(t, x...)
	for m, net := range nets {
		if m < len(nets)-1 {
			for _, f := range features {
				t.Hold(f)
			}
		}
		each(net.(*models.Net).Decode(t, features))
	}
}
