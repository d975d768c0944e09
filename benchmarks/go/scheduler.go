// Goroutines: switches, spawns and joins, trees and rings of them, and what a parked one holds.
// Arguments: iterations, work, number of threads (0: as many as there are cores).
// Prints nanoseconds (`parked-…`: bytes of heap and stacks; `resident-…`: of resident memory) and a result that depends on all of the work.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Goroutines that take turns, and the ring of thread-ring.
const crowd = 1000
const ringSize = 503

// Leaves below a goroutine, counted through channels as in the skynet benchmark.
func skynet(result chan<- int, first, size int) {
	if size == 1 {
		result <- first
		return
	}
	results := make(chan int, 10)
	for i := 0; i < 10; i++ {
		go skynet(results, first+i*(size/10), size/10)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-results
	}
	result <- sum
}

func pass(from <-chan int, to chan<- int, who int, winner chan<- int) {
	for token := range from {
		if token == 0 {
			winner <- who
			return
		}
		to <- token - 1
	}
}

var works = map[string]func(n int) int{
	"switch": func(n int) int {
		var done sync.WaitGroup
		var all int64
		for i := 0; i < crowd; i++ {
			done.Add(1)
			go func() {
				mine := 0
				for k := 0; k < n/crowd; k++ {
					mine++
					runtime.Gosched()
				}
				atomic.AddInt64(&all, int64(mine))
				done.Done()
			}()
		}
		done.Wait()
		return int(all)
	},
	"spawn": func(n int) int {
		var done sync.WaitGroup
		var count int64
		done.Add(n)
		for i := 0; i < n; i++ {
			go func() {
				atomic.AddInt64(&count, 1)
				done.Done()
			}()
		}
		done.Wait()
		return int(count)
	},
	"spawn-join": func(n int) int {
		sum := 0
		for i := 0; i < n; i++ {
			one := make(chan int, 1)
			go func() { one <- 1 }()
			sum += <-one
		}
		return sum
	},
	"skynet": func(n int) int {
		result := make(chan int, 1)
		skynet(result, 0, n)
		return <-result
	},
	"ring": func(n int) int {
		links := make([]chan int, ringSize)
		for i := range links {
			links[i] = make(chan int, 1)
		}
		winner := make(chan int)
		for i := range links {
			go pass(links[i], links[(i+1)%ringSize], i, winner)
		}
		links[0] <- n
		return <-winner
	},
}

// Ways of parking.
func park(way string) func() {
	switch way {
	case "block":
		return func() { select {} }
	case "receive":
		never := make(chan int)
		return func() { <-never }
	case "sleep":
		return func() { time.Sleep(time.Hour) }
	case "lock":
		var mutex sync.Mutex
		mutex.Lock()
		return func() { mutex.Lock() }
	case "condition":
		var mutex sync.Mutex
		changed := sync.NewCond(&mutex)
		return func() {
			mutex.Lock()
			changed.Wait()
		}
	}
	panic(way)
}

func held() int {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc + stats.StackInuse)
}

func resident() int {
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		panic(err)
	}
	return pages * os.Getpagesize()
}

func parked(n int, way string, use func() int) (int, int) {
	body := park(way)
	var started int64
	before := use()
	for i := 0; i < n; i++ {
		go func() {
			atomic.AddInt64(&started, 1)
			body()
		}()
	}
	for atomic.LoadInt64(&started) < int64(n) {
		runtime.Gosched()
	}
	// Each has counted itself, and parks at its next step.
	for i := 0; i < 100; i++ {
		runtime.Gosched()
	}
	after := use()
	return after - before, int(started)
}

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	threads, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	if threads > 0 {
		runtime.GOMAXPROCS(threads)
	}
	what := os.Args[2]
	if way := strings.TrimPrefix(what, "parked-"); way != what {
		fmt.Println(parked(n, way, held))
		return
	}
	if way := strings.TrimPrefix(what, "resident-"); way != what {
		fmt.Println(parked(n, way, resident))
		return
	}
	begin := time.Now()
	result := works[what](n)
	fmt.Println(time.Since(begin).Nanoseconds(), result)
}
