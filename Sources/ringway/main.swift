// The program is `RingwayCommand`; this file only starts it.
import RingwayCommand

CommandLineEntry.run()
