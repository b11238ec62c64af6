using System.Runtime.ExceptionServices;

namespace DataLayer.Storage.Stripes;

/// <summary>Fan-in: waits for all parts, then throws the first fault in their order.</summary>
internal static class Gather
{
    internal static async ValueTask AllAsync(ReadOnlyMemory<Task> tasks)
    {
        ExceptionDispatchInfo? first = null;
        for (int i = 0; i < tasks.Length; i++)
        {
            try
            {
                await tasks.Span[i].ConfigureAwait(false);
            }
            catch (Exception fault)
            {
                // An unclean column is no fault but a call for recovery: it goes before others.
                if (first is null || (fault is UncleanColumnException
                    && first.SourceException is not UncleanColumnException))
                {
                    first = ExceptionDispatchInfo.Capture(fault);
                }
            }
        }

        first?.Throw();
    }
}
