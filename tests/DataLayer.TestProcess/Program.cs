using System.Globalization;
using DataLayer.TestProcess;

// A process for tests to kill. Usage: tree-load DATABASE SEED
if (args is ["tree-load", var database, var seed])
{
    await TreeLoad.RunAsync(database, int.Parse(seed, CultureInfo.InvariantCulture), Console.Out);
    return 0;
}

await Console.Error.WriteLineAsync("usage: tree-load DATABASE SEED");
return 2;
