// Sections under locks of Go's sync package, alone and on two threads.
// Arguments: sections, work. Prints nanoseconds and the number of sections that were counted under the lock.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

var data [8]int64
var count int

// What a reading section does.
func look() int64 {
	var sum int64
	for i := 0; i < 64; i++ {
		sum += atomic.LoadInt64(&data[i&7])
	}
	return sum
}

// Runs work on two goroutines, each with half of the sections.
func two(n int, work func(half int, who int)) int {
	var done sync.WaitGroup
	done.Add(2)
	for who := 0; who < 2; who++ {
		go func(who int) {
			work(n/2, who)
			done.Done()
		}(who)
	}
	done.Wait()
	return count + n%2
}

var works = map[string]func(n int) int{
	"uncontended": func(n int) int {
		var mutex sync.Mutex
		for i := 0; i < n; i++ {
			mutex.Lock()
			count++
			mutex.Unlock()
		}
		return count
	},
	"contended": func(n int) int {
		var mutex sync.Mutex
		return two(n, func(half int, _ int) {
			for i := 0; i < half; i++ {
				mutex.Lock()
				count++
				mutex.Unlock()
			}
		})
	},
	"read-mostly": func(n int) int {
		var mutex sync.RWMutex
		return two(n, func(half int, _ int) {
			var sum int64
			reads := 0
			for i := 0; i < half; i++ {
				if i%64 != 0 {
					mutex.RLock()
					sum += look()
					reads++
					mutex.RUnlock()
				} else {
					mutex.Lock()
					count++
					mutex.Unlock()
				}
			}
			mutex.Lock()
			count += reads + int(sum)
			mutex.Unlock()
		})
	},
	"read-mostly-mutex": func(n int) int {
		var mutex sync.Mutex
		return two(n, func(half int, _ int) {
			var sum int64
			for i := 0; i < half; i++ {
				mutex.Lock()
				if i%64 != 0 {
					sum += look()
				}
				count++
				mutex.Unlock()
			}
			mutex.Lock()
			count += int(sum)
			mutex.Unlock()
		})
	},
	// Two goroutines of one thread: each finds the mutex held, and is woken.
	"hand-over": func(n int) int {
		runtime.GOMAXPROCS(1)
		var mutex sync.Mutex
		return two(n, func(half int, _ int) {
			for i := 0; i < half; i++ {
				mutex.Lock()
				count++
				runtime.Gosched()
				mutex.Unlock()
			}
		})
	},
	"condition": func(n int) int {
		var mutex sync.Mutex
		changed := sync.NewCond(&mutex)
		turn := 0
		return two(n, func(half int, who int) {
			for i := 0; i < half; i++ {
				mutex.Lock()
				for turn != who {
					changed.Wait()
				}
				turn = 1 - who
				count++
				changed.Signal()
				mutex.Unlock()
			}
		})
	},
	"semaphore": func(n int) int {
		permits := make(chan struct{}, 1)
		return two(n, func(half int, _ int) {
			for i := 0; i < half; i++ {
				permits <- struct{}{}
				count++
				<-permits
			}
		})
	},
	"wait-group": func(n int) int {
		var group sync.WaitGroup
		for i := 0; i < n; i++ {
			group.Add(1)
			count++
			group.Done()
		}
		group.Wait()
		return count
	},
}

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	runtime.GOMAXPROCS(2)
	begin := time.Now()
	result := works[os.Args[2]](n)
	fmt.Println(time.Since(begin).Nanoseconds(), result)
}
