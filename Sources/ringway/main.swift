// The program is in `RingwayCommand`; this file only starts it.
import RingwayCommand

CommandLineEntry.run()
