// Package view shows scans with masks and probabilities in a browser: the time
// points side by side with one crosshair, and a list of lesions to jump to.
//
// Load reads and checks the files, NewHandler is the page with its data behind a
// token, and Listen serves it on the loopback interface. Pictures are drawn in the
// browser by NiiVue, which is part of the program: nothing is fetched from elsewhere.
package view
