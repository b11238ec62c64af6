using System.Globalization;
using DataLayer.TestProcess;
using DataLayer.TestProcess.MountLoads;
using DataLayer.TestSupport.Ceph;

// A process for tests to kill, or to work while they kill another. Usage: see the last lines.
if (args is ["tree-load", var database, var seed])
{
    await TreeLoad.RunAsync(database, int.Parse(seed, CultureInfo.InvariantCulture), Console.Out);
    return 0;
}

if (args is ["nodes-load", var folder, var load])
{
    await NodesLoad.RunAsync(folder, int.Parse(load, CultureInfo.InvariantCulture), Console.Out);
    return 0;
}

if (args is ["stripes-load" or "sealed-load", var target, var number])
{
    await StripesLoad.RunAsync(
        target, int.Parse(number, CultureInfo.InvariantCulture), args[0] == "sealed-load" ? 9 : 0, Console.Out);
    return 0;
}

if (args is ["rados-load", var address, var radosSeed, var radosStep])
{
    CultureInfo plain = CultureInfo.InvariantCulture;
    await RadosLoad.RunAsync(address, int.Parse(radosSeed, plain), int.Parse(radosStep, plain), Console.Out);
    return 0;
}

if (args is ["clone-load", var cloneFolder, var cloneSeed, var shape, var killStep])
{
    CultureInfo plain = CultureInfo.InvariantCulture;
    await CloneLoad.RunAsync(cloneFolder, int.Parse(cloneSeed, plain), int.Parse(shape, plain), killStep, Console.Out);
    return 0;
}

if (args is ["mount-service", var socket])
{
    await TinyMountService.RunAsync(socket, Console.Out);
    return 0;
}

if (args is ["keep-mount", var state, var mountPoint, var seconds])
{
    return await MountKeeping.RunAsync(state, mountPoint, double.Parse(seconds, CultureInfo.InvariantCulture), Console.Out);
}

if (args is ["mount-load", var root, var loadSeed, var clients, var manifest])
{
    return await MountLoad.RunAsync(
        root, int.Parse(loadSeed, CultureInfo.InvariantCulture), int.Parse(clients, CultureInfo.InvariantCulture), manifest, Console.Out);
}

if (args is ["feed-rank", var feedServer, var dataset, var place, var feedState])
{
    await FeedRank.RunAsync(feedServer, dataset, place, feedState, Console.Out);
    return 0;
}

await Console.Error.WriteLineAsync(
    "usage: tree-load DATABASE SEED | nodes-load FOLDER SEED | stripes-load FOLDER SEED | sealed-load FOLDER SEED | rados-load ADDRESS SEED STEP | clone-load FOLDER SEED SHAPE STEP | mount-service SOCKET | keep-mount STATE MOUNTPOINT SECONDS "
    + "| mount-load FOLDER SEED CLIENTS MANIFEST | feed-rank SERVER DATASET RANK/WORLD/BATCH STATE");
return 2;
